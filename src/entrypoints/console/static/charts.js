// Charts over time, drawn by uPlot from what the server has put beside them. The same stands below each as a table.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const drawn = new Set();

  const draw = (plot) => {
    const chart = JSON.parse(plot.dataset.chart);
    const words = (line, value) => {
      if (value === null || value === undefined) return "–";
      const digits = (value / 10 ** line.decimals).toLocaleString("en-GB", { minimumFractionDigits: line.decimals, maximumFractionDigits: line.decimals });
      return `${line.before}${digits}${line.after}`;
    };
    const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
    const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
    const both = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
    const stamp = (seconds) => (chart.step < 86400 ? both : day).format(seconds * 1000);
    const axis = { stroke: colour("text-quiet"), font: `12px ${colour("font")}`, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 } };
    const bars = uPlot.paths.bars({ size: [0.8, 48], align: 1 });
    const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4]];
    const kinds = ["accent", "text", "text-quiet", "accent-strong"];
    const first = chart.lines[0];
    plot.textContent = "";
    const it = new uPlot({
      width: plot.clientWidth || 320,
      height: 200,
      padding: [8, 28, 0, 0],
      cursor: { y: false, drag: { setScale: false, x: false, y: false } },
      legend: { live: true },
      scales: { x: { time: true, range: (_, low, high) => [low, high + chart.step] }, y: { range: (_, low, high) => [0, Math.max(high, chart.least) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, space: 72, values: (_, at) => at.map((one) => (chart.step < 86400 ? hour : day).format(one * 1000)) },
        { ...axis, size: 64, space: 44, incrs: chart.increments, values: (_, at) => at.map((one) => `${first.before}${short.format(one / 10 ** first.decimals)}${first.after}`) },
      ],
      series: [
        { label: chart.step < 86400 ? "From (UTC)" : "From", value: (_, at) => (at ? stamp(at) : "–") },
        ...chart.lines.map((line, place) => ({
          label: line.label,
          stroke: colour(line.tone || kinds[place % 4]),
          width: chart.lines.length > 1 ? 2 : 0,
          dash: chart.lines.length > 1 ? dashes[place % 4] : undefined,
          fill: chart.lines.length > 1 ? undefined : colour(line.tone || "accent"),
          paths: chart.lines.length > 1 ? undefined : bars,
          points: { show: false },
          value: (_, value) => words(line, value),
        })),
      ],
    }, [chart.times, ...chart.lines.map((line) => line.values)], plot);
    drawn.add({ it, plot });
  };

  const all = () => {
    for (const one of drawn) one.it.destroy();
    drawn.clear();
    for (const plot of document.querySelectorAll("[data-chart]")) draw(plot);
  };
  let waits = 0;
  addEventListener("DOMContentLoaded", all);
  addEventListener("resize", () => { clearTimeout(waits); waits = setTimeout(all, 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  document.addEventListener("htmx:afterSwap", all);
})();
