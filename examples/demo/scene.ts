import { CELLS, cellsOf, NUMBERS } from './barcode.js';
import { newSurface, type Surface } from './canvas.js';
import { type Layer, scenery } from './scenery.js';
import { Shrinker } from './shrink.js';

/** Rows of the input picture that carry the frame's number. */
const NUMBER_ROWS = 8;
/** The picture in units. */
const WIDTH = 320;
const HEIGHT = 180;

/**
 * An evening at a harbour: text, fine lines, near and far motion. A frame is a function of its number alone, so the
 * picture at any size is known whenever it is asked for. After 4096 frames everything is where it began.
 */
export class Scene {
  readonly small: Surface;
  readonly #large: Surface;
  readonly #pixels: number;
  readonly #layers: ReturnType<typeof scenery>;
  readonly #shrinker = new Shrinker(true);
  #truth: Surface | undefined;

  /** @param width pixels of the small picture, which goes to the network. It is drawn larger and shrunk. */
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    const zoom = width <= 320 ? 4 : 2;
    this.#pixels = (width * zoom) / WIDTH;
    this.#large = newSurface(width * zoom, height * zoom, true);
    this.small = newSurface(width, height, true);
    this.#layers = scenery(this.#pixels);
  }

  /** Share of the height, at the bottom, that carries the number. */
  get numberShare(): number {
    return NUMBER_ROWS / this.height;
  }

  /** Draws a frame into `small`. */
  draw(number: number): void {
    this.#drawLarge(number);
    const { canvas } = this.#large;
    this.#shrinker.draw(canvas, canvas.width, canvas.height, this.small);
  }

  /** The same frame as it should look at another size. */
  truth(number: number, width: number, height: number): ImageData {
    this.#drawLarge(number);
    if (this.#truth?.canvas.width !== width || this.#truth.canvas.height !== height) {
      this.#truth = newSurface(width, height, true);
    }
    const { canvas } = this.#large;
    this.#shrinker.draw(canvas, canvas.width, canvas.height, this.#truth);
    return this.#truth.context.getImageData(0, 0, width, height);
  }

  #drawLarge(number: number): void {
    const { context } = this.#large;
    const { sky, hills, city, train, ticker } = this.#layers;
    const turn = number / NUMBERS;
    context.setTransform(this.#pixels, 0, 0, this.#pixels, 0, 0);
    this.#place(sky, 0, 0);
    this.#scroll(hills, 92, turn * 1);
    this.#scroll(city, 56, turn * 3);
    drawBalloon(context, 168 + 14 * wave(turn * 7), 34 + 9 * wave(turn * 12));
    drawWheel(context, turn * 9);
    drawViaduct(context, turn);
    // Passes every 640 units, at 4.375 units a frame.
    this.#place(train, ((turn * 28 * 640) % 640) - train.width + 10, 112.6);
    this.#scroll(ticker, 139, turn * 11);
    drawRailing(context, turn);
    drawNumber(context, number, HEIGHT * this.numberShare);
  }

  #place(layer: Layer, x: number, y: number): void {
    // On whole pixels of the large picture, so that what is drawn once stays as sharp as what is drawn each time.
    const onPixel = (length: number): number => Math.round(length * this.#pixels) / this.#pixels;
    this.#large.context.drawImage(layer.canvas, onPixel(x), onPixel(y), layer.width, layer.height);
  }

  /** A layer that repeats and moves left by its own width each turn. */
  #scroll(layer: Layer, y: number, turns: number): void {
    const start = -(turns % 1) * layer.width;
    for (let x = start; x < WIDTH; x += layer.width) this.#place(layer, x, y);
  }
}

function wave(turns: number): number {
  return Math.sin(turns * 2 * Math.PI);
}

function drawWheel(context: CanvasRenderingContext2D, turns: number): void {
  const [x, y, radius] = [130, 84, 46];
  context.strokeStyle = '#141735';
  context.lineWidth = 3;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - 24, 136);
  context.moveTo(x, y);
  context.lineTo(x + 24, 136);
  context.stroke();
  context.strokeStyle = '#ffe2b0';
  for (const [ring, line] of [
    [radius, 1.7],
    [radius - 7, 1.1],
    [14, 1.2],
  ] as const) {
    context.lineWidth = line;
    context.beginPath();
    context.arc(x, y, ring, 0, 2 * Math.PI);
    context.stroke();
  }
  context.lineWidth = 1;
  context.beginPath();
  for (let spoke = 0; spoke < 12; spoke++) {
    const angle = (turns + spoke / 12) * 2 * Math.PI;
    context.moveTo(x + 4 * Math.cos(angle + 0.9), y + 4 * Math.sin(angle + 0.9));
    context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  context.stroke();
  const colours = ['#ff5a5f', '#ffd166', '#4cc9f0', '#f4efe4'];
  for (let cabin = 0; cabin < 12; cabin++) {
    const angle = (turns + cabin / 12) * 2 * Math.PI;
    const [cx, cy] = [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
    context.fillStyle = colours[cabin % 4] ?? '#fff';
    context.fillRect(cx - 3.5, cy - 1, 7, 7);
    context.fillStyle = '#141735';
    context.fillRect(cx - 2.2, cy + 0.8, 4.4, 2.4);
  }
}

function drawBalloon(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.save();
  context.beginPath();
  context.ellipse(x, y, 13, 15, 0, 0, 2 * Math.PI);
  context.clip();
  const stripes = ['#e63946', '#fff3d6', '#2a9d8f', '#fff3d6'];
  for (let stripe = 0; stripe < 8; stripe++) {
    context.fillStyle = stripes[stripe % 4] ?? '#fff';
    // Gores of a ball look narrower towards its sides.
    const [left, right] = [stripe, stripe + 1].map((edge) => -13 * Math.cos((edge / 8) * Math.PI)) as [number, number];
    context.fillRect(x + left, y - 15, right - left + 0.2, 30);
  }
  context.restore();
  context.strokeStyle = '#2b1c3d';
  context.lineWidth = 0.9;
  context.beginPath();
  for (const side of [-1, 1]) {
    context.moveTo(x + side * 6, y + 13);
    context.lineTo(x + side * 2.5, y + 22);
  }
  context.stroke();
  context.fillStyle = '#7a4a2b';
  context.fillRect(x - 3, y + 21.5, 6, 4);
}

function drawViaduct(context: CanvasRenderingContext2D, turn: number): void {
  context.fillStyle = '#0e122c';
  context.fillRect(0, 133.5, WIDTH, 47);
  context.fillStyle = '#39406e';
  context.fillRect(0, 133.5, WIDTH, 1.2);
  // Masts and the wire they hold pass by with the city.
  const shift = ((turn * 96 * 80) % 80) + 80;
  context.fillStyle = '#0e122c';
  for (let x = -shift + 80; x < WIDTH + 80; x += 80) {
    context.fillRect(x, 100, 2, 34);
    context.fillRect(x - 6, 104, 13, 1.2);
  }
  context.fillRect(0, 108.4, WIDTH, 1);
}

function drawRailing(context: CanvasRenderingContext2D, turn: number): void {
  const pitch = 8;
  const shift = (turn * 1000 * pitch) % pitch;
  context.fillStyle = '#c9c2ff';
  for (let x = -shift; x < WIDTH; x += pitch) context.fillRect(x, 158, 2, 24);
  context.fillRect(0, 156, WIDTH, 2.2);
}

function drawNumber(context: CanvasRenderingContext2D, number: number, height: number): void {
  const width = WIDTH / CELLS;
  context.fillStyle = '#000';
  context.fillRect(0, HEIGHT - height, WIDTH, height);
  context.fillStyle = '#fff';
  cellsOf(number).forEach((white, index) => {
    if (white) context.fillRect(index * width, HEIGHT - height, width, height);
  });
}
