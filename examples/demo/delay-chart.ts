import type { Level, Percentiles } from 'mana-upscale';
import uPlot from 'uplot';
import { type DelayLog, type DelayPoint, WINDOW_MS } from './delay-log.js';
import { find } from './page.js';

const HEIGHT = 210;
/** A budget that is this many times above all delays is not drawn: it would press them flat. */
const FAR = 4;
/** The least that the graph shows, in milliseconds. */
const LEAST_MS = 50;
/** Names of levels do not stand closer than this, in CSS pixels. */
const NAME_SPACE = 58;
const FONT = '12px system-ui, sans-serif';

/** The curves of a {@link DelayLog}. Their colours are those of the words of its key, in the page's colour scheme. */
export class DelayChart {
  readonly #plot: uPlot;
  #log: DelayLog | undefined;
  #nowMs = 0;
  #budgetMs = 0;

  constructor(readonly place: HTMLElement) {
    const axis = { stroke: colour('key-axis'), grid: { stroke: colour('key-grid'), width: 1 }, font: FONT };
    this.#plot = new uPlot(
      {
        width: Math.max(1, place.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [18, 16, 0, 0],
        scales: {
          x: { time: false, range: [-WINDOW_MS / 1000, 0] },
          y: { range: (_, __, most) => [0, this.#top(most ?? 0)] },
        },
        axes: [
          {
            ...axis,
            size: 28,
            ticks: { show: false },
            values: (_, ticks) => ticks.map((s) => (s === 0 ? 'now' : `${s} s`)),
          },
          { ...axis, size: 58, ticks: { show: false }, values: (_, ticks) => ticks.map((ms) => `${ms} ms`) },
        ],
        series: [
          {},
          {
            stroke: colour('key-frames'),
            paths: () => null,
            points: { show: true, size: 3, space: 0, width: 0, fill: colour('key-frames') },
          },
          { stroke: colour('key-p95'), width: 1.5, dash: [2, 3], points: { show: false } },
          { stroke: colour('key-p50'), width: 2, points: { show: false } },
        ],
        hooks: { drawAxes: [(plot) => this.#drawLevels(plot)], draw: [(plot) => this.#drawBudget(plot)] },
      },
      [[], [], [], []],
      place,
    );
    new ResizeObserver(() => this.#plot.setSize({ width: Math.max(1, place.clientWidth), height: HEIGHT })).observe(
      place,
    );
  }

  /** Draws what is known now. */
  draw(log: DelayLog, budgetMs: number, nowMs: number): void {
    this.#log = log;
    this.#budgetMs = budgetMs;
    this.#nowMs = nowMs;
    const { points } = log;
    this.#plot.setData([
      points.map(({ atMs }) => this.#seconds(atMs)),
      points.map(({ frameMs }) => frameMs),
      curve(points, 'p95'),
      curve(points, 'p50'),
    ]);
  }

  #seconds(atMs: number): number {
    return (atMs - this.#nowMs) / 1000;
  }

  #top(mostMs: number): number {
    const most = Math.max(mostMs, LEAST_MS);
    return 1.1 * (this.#budgetMs > FAR * most ? most : Math.max(most, this.#budgetMs));
  }

  #drawLevels(plot: uPlot): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = `${12 * uPlot.pxRatio}px system-ui, sans-serif`;
    ctx.lineWidth = uPlot.pxRatio;
    const right = bbox.left + bbox.width;
    let free = bbox.left;
    for (const { atMs, level } of this.#log?.marks ?? []) {
      const x = Math.max(bbox.left, plot.valToPos(this.#seconds(atMs), 'x', true));
      const named = x >= free;
      ctx.strokeStyle = ctx.fillStyle = colourOf(keyOf(level));
      // The first may be what made the picture all the time before.
      if (x > bbox.left) line(ctx, x, bbox.top - (named ? 14 * uPlot.pxRatio : 0), x, bbox.top + bbox.height);
      if (!named) continue;
      const before = x + ctx.measureText(level).width > right;
      ctx.textAlign = before ? 'right' : 'left';
      ctx.fillText(level, x + (before ? -4 : 4) * uPlot.pxRatio, bbox.top - 5 * uPlot.pxRatio);
      free = x + NAME_SPACE * uPlot.pxRatio;
    }
    ctx.restore();
  }

  #drawBudget(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const y = plot.valToPos(this.#budgetMs, 'y', true);
    if (y < bbox.top) return;
    ctx.save();
    ctx.strokeStyle = colourOf('key-budget');
    ctx.lineWidth = 1.5 * uPlot.pxRatio;
    ctx.setLineDash([6 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
    line(ctx, bbox.left, y, bbox.left + bbox.width, y);
    ctx.restore();
  }
}

/** A line goes on over `undefined`, where only a frame was seen; between levels it is broken by `null` all the way. */
function curve(points: readonly DelayPoint[], of: keyof Percentiles): (number | null | undefined)[] {
  const values = points.map(({ told }) => (told ? told[of] : told));
  for (let mark = values.indexOf(null); mark >= 0; mark = values.indexOf(null, mark + 1)) {
    for (let i = mark - 1; values[i] === undefined && i >= 0; i--) values[i] = null;
    while (values[mark + 1] === undefined && mark + 1 < values.length) values[++mark] = null;
  }
  return values;
}

function line(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

function keyOf(level: Level): string {
  return level === 'fast' || level === 'pass-through' ? 'key-scaling' : 'key-network';
}

/** Asked at each drawing: the page may change from light to dark. */
function colour(key: string): () => string {
  return () => colourOf(key);
}

function colourOf(key: string): string {
  return getComputedStyle(find(key)).color;
}
