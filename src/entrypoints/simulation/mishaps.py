"""What befalls the whole service: outages, lost commits, old backups, wrong clocks, new keys, a smaller catalog."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from entrypoints.simulation.shop_window import KEYS, PLANS, WITHDRAWN
from entrypoints.simulation.town import Town
from entrypoints.simulation.weather import STRIPE, TELEGRAM


@dataclass(slots=True)
class Mishaps:
    town: Town
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = self.town.world.random("mishaps")

    def outage(self) -> None:
        """All processes are down for longer than Telegram keeps its news, or than Stripe does."""
        if self.town.down_until is not None:
            return
        hours = self.random.choice((26, 80))
        self.town.weather.seen[f"an outage of {hours} h"] += 1
        self.town.world.tell("world", "outage", hours=hours)
        self._kill_all()
        self.town.down_until = self.town.truth.away_until = self.town.world.now + timedelta(hours=hours)

        def end() -> None:
            self.town.down_until = None
            for service in self.town.services:
                self.town.restart(service)
            self.town.compare(whole=True)

        self.town.world.at(self.town.down_until, end, "outage")

    def backup_restored(self) -> None:
        self.town.weather.seen["a backup was restored"] += 1
        self._lose_commits(self.town.store.commits - int(self.town.store.commits * self.random.choice((0.5, 0.9))))

    def failover(self) -> None:
        """To a standby that has all that was committed, or to one that has not got the last commits."""
        lost = self.random.choice((0, 0, 1, 3, 10))
        self.town.weather.seen["a failover that lost commits" if lost else "a failover"] += 1
        if lost:
            self._lose_commits(lost)
        else:
            self.town.store.break_off()

    def clock_jumps(self) -> None:
        """And goes back after a while, which may be while Telegram is away and letters wait."""
        self.town.weather.seen["a clock jumped"] += 1
        self.town.truth.clocks_jumped = True
        service = self.random.choice(self.town.services)
        service.clock.skew = timedelta(seconds=self.random.choice((-86_400, -600, 86_400, 86_400)))
        self.town.world.tell("world", "clock jumps", service=service.name, by=service.clock.skew)
        lasts_s = self.random.uniform(600.0, 3600.0)

        def back() -> None:
            service.clock.skew = timedelta(0)

        self.town.world.after(lasts_s, back, "clock")
        if self.random.random() < 0.8:
            self.town.world.after(lasts_s - 600.0, lambda: self._away(TELEGRAM, 900.0), "away")

    def telegram_away(self) -> None:
        self._away(TELEGRAM, self.random.choice((60.0, 1800.0)))

    def stripe_away(self) -> None:
        self._away(STRIPE, self.random.choice((60.0, 1800.0)))

    def _away(self, provider: str, for_s: float) -> None:
        self.town.weather.away_until[provider] = self.town.world.now + timedelta(seconds=for_s)

    def keys_rotated(self) -> None:
        self.town.weather.seen["signing keys were rotated"] += 1
        for service in self.town.services:
            service.keys = (KEYS[1], KEYS[0])
        self._restart_all(1.0)

    def plan_withdrawn(self) -> None:
        self.town.weather.seen["a plan was withdrawn"] += 1
        self.town.truth.withdrawn.add(WITHDRAWN)
        for service in self.town.services:
            service.plans = tuple(plan for plan in PLANS if plan.code != WITHDRAWN)
        self._restart_all(1.0)

    def database_away(self) -> None:
        self.town.weather.seen["the database was away"] += 1
        self.town.store.away = True

        def back() -> None:
            self.town.store.away = False
            self.town.work_soon(1.0)

        self.town.world.after(self.random.choice((5.0, 300.0)), back, "database")

    def numbers_anew(self) -> None:
        self.town.telegram.start_numbers_anew()

    def nonsense(self) -> None:
        self.town.weather.seen["nonsense"] += 1
        self.town.telegram.nonsense(self.random.choice(self.town.users))

    def gift(self) -> None:
        self.town.weather.seen["Stars for nothing that we sell"] += 1
        self.town.telegram.gift(self.random.choice(self.town.users))

    def blocked(self) -> None:
        self.town.telegram.blocked.add(self.random.choice(self.town.users))

    def _lose_commits(self, lost: int) -> None:
        self.town.world.tell("world", "commits lost", lost=lost)
        self._kill_all()
        self.town.truth.restored = True
        self.town.store.rewind(max(self.town.oldest_backup, self.town.store.commits - lost))
        self.town.watch.rewound()
        self.town.telegram.forget_who_asked()
        for service in self.town.services:
            self.town.restart_later(service, 30.0)
        self.town.world.after(60.0, lambda: self.town.compare(whole=True), "restored")

    def _kill_all(self) -> None:
        for service in self.town.services:
            self.town.world.kill(service)

    def _restart_all(self, after_s: float) -> None:
        for service in self.town.services:
            if service.alive:
                self.town.world.kill(service)
                self.town.restart_later(service, after_s)
