// Amounts, times and names as people write them.

export function money(amount, currency) {
  if (currency === "XTR") return `${amount.toLocaleString("en")} ⭐`;
  try {
    const format = new Intl.NumberFormat("en-GB", { style: "currency", currency, currencyDisplay: "narrowSymbol" });
    return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${amount} ${currency}`;
  }
}

export const fullName = (user) => [user.first_name, user.last_name].filter(Boolean).join(" ") || `User ${user.id}`;

const hourAndMinute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const withSeconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const whole = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "medium" });
export const clock = (seconds) => hourAndMinute.format(seconds * 1000);
export const exactClock = (seconds) => withSeconds.format(seconds * 1000);
export const moment = (seconds) => whole.format(seconds * 1000);

export function duration(ms) {
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

// Why a delivery failed, in a sentence.
export function trouble(error) {
  if (error === "Connection refused") return "The bot's service is not running: connection refused.";
  if (error === "Read timeout expired") return "The bot's service gave no answer in time.";
  if (error.startsWith("Wrong response")) return `The bot's service answered ${error.split(": ").at(-1)}.`;
  return `The update could not be delivered: ${error}.`;
}
