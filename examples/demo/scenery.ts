import { newSurface } from './canvas.js';

/**
 * What stands in the scene, drawn once at the size it is used. Lengths are in scene units: the picture is 320 wide and
 * 180 high.
 */
export interface Layer {
  readonly canvas: HTMLCanvasElement;
  /** Size in units; a layer that scrolls repeats after its width. */
  readonly width: number;
  readonly height: number;
}

type Draw = (context: CanvasRenderingContext2D, random: () => number) => void;

const FONT = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif';

/** All layers, for a picture with `pixels` pixels to a unit. */
export function scenery(pixels: number): Readonly<Record<'sky' | 'hills' | 'city' | 'train' | 'ticker', Layer>> {
  return {
    sky: layer(320, 180, pixels, drawSky),
    hills: layer(480, 44, pixels, drawHills),
    city: layer(640, 78, pixels, drawCity),
    train: layer(330, 22, pixels, drawTrain),
    ticker: layer(560, 17, pixels, drawTicker),
  };
}

function layer(width: number, height: number, pixels: number, draw: Draw): Layer {
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * pixels);
  canvas.height = Math.round(height * pixels);
  const context = canvas.getContext('2d', { willReadFrequently: true }) ?? newSurface(1, 1).context;
  context.scale(pixels, pixels);
  draw(context, randomness(width * 31 + height));
  return { canvas, width, height };
}

/** The same numbers each time: Park and Miller's generator. */
function randomness(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const drawSky: Draw = (context, random) => {
  const sky = context.createLinearGradient(0, 0, 0, 132);
  for (const [at, colour] of [
    [0, '#101b3f'],
    [0.38, '#3b2f6b'],
    [0.66, '#a4476f'],
    [0.86, '#f0805a'],
    [1, '#ffc27a'],
  ] as const) {
    sky.addColorStop(at, colour);
  }
  context.fillStyle = sky;
  context.fillRect(0, 0, 320, 180);
  context.fillStyle = '#fff6e0';
  for (let star = 0; star < 60; star++) {
    const side = 0.8 + random() * 1.2;
    context.globalAlpha = 0.35 + random() * 0.65;
    context.fillRect(random() * 320, random() ** 1.6 * 66, side, side);
  }
  context.globalAlpha = 1;
  // A sun with slits that grow thinner upwards.
  const sun = context.createLinearGradient(0, 50, 0, 118);
  sun.addColorStop(0, '#fff0b8');
  sun.addColorStop(1, '#ff6f61');
  context.save();
  context.beginPath();
  context.arc(232, 84, 34, 0, 2 * Math.PI);
  context.clip();
  context.fillStyle = sun;
  context.fillRect(190, 50, 90, 68);
  context.fillStyle = sky;
  for (let slit = 0; slit < 7; slit++) context.fillRect(190, 70 + slit * 7, 90, 1.2 + slit * 0.5);
  context.restore();
  drawBoard(context);
};

/** A poster with text from large to very small. */
function drawBoard(context: CanvasRenderingContext2D): void {
  context.fillStyle = '#0d1430';
  context.fillRect(7, 21, 84, 51);
  context.strokeStyle = '#ffd9a0';
  context.lineWidth = 1.3;
  context.strokeRect(9, 23, 80, 47);
  context.fillStyle = '#fff3d6';
  context.textAlign = 'center';
  for (const [size, y, text] of [
    [19, 41, 'SEVEN'],
    [11, 54, 'frames in'],
    [8.4, 65, 'one better out'],
  ] as const) {
    context.font = `600 ${size}px ${FONT}`;
    context.fillText(text, 49, y, 76);
  }
}

const drawHills: Draw = (context) => {
  for (const [colour, line, base, rise, waves] of [
    ['#6d3a6b', '#86497a', 16, 10, 3],
    ['#4a2c5e', '#613b72', 27, 8, 5],
  ] as const) {
    const top = (x: number): number =>
      base -
      rise *
        (0.6 * Math.sin((2 * Math.PI * waves * x) / 480) +
          0.4 * Math.sin((2 * Math.PI * (waves * 3 + 1) * x) / 480 + waves));
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(0, 44);
    for (let x = 0; x <= 480; x += 2) context.lineTo(x, top(x));
    context.lineTo(480, 44);
    context.fill();
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.beginPath();
    for (let x = 2; x < 480; x += 8) {
      context.moveTo(x, top(x) + 1.5);
      context.lineTo(x - 7, top(x) + 16);
    }
    context.stroke();
  }
};

const WALLS = ['#1d2148', '#252a57', '#191c3d', '#2d2a55', '#20304f'];
const LIT = ['#ffd27d', '#ffe9b8', '#ff9f68', '#8fd3ff'];

const drawCity: Draw = (context, random) => {
  for (let x = 0; x < 630; ) {
    const width = Math.min(640 - x, 16 + Math.floor(random() * 6) * 4);
    const height = 24 + random() * 46;
    const top = 78 - height;
    context.fillStyle = WALLS[Math.floor(random() * WALLS.length)] ?? '#1d2148';
    context.fillRect(x, top, width, height);
    const pitch = random() < 0.4 ? 5.4 : 7.2;
    const bands = random() < 0.3;
    for (let y = top + 3.5; y < 76; y += pitch) {
      for (let wx = x + 2.5; wx < x + width - pitch * 0.7; wx += pitch) {
        if (random() < 0.45) continue;
        context.fillStyle = LIT[Math.floor(random() * LIT.length)] ?? '#ffd27d';
        context.fillRect(wx, y, bands ? pitch : pitch * 0.55, bands ? pitch * 0.4 : pitch * 0.6);
      }
    }
    if (random() < 0.5) {
      context.fillStyle = '#0f1230';
      context.fillRect(x + width / 2 - 0.7, top - 9, 1.4, 9);
      context.fillStyle = '#ff5a5f';
      context.fillRect(x + width / 2 - 1.2, top - 11, 2.4, 2.4);
    }
    x += width;
  }
};

const drawTrain: Draw = (context) => {
  for (let car = 0; car < 3; car++) {
    const x = car * 110;
    context.fillStyle = '#f4efe4';
    context.beginPath();
    context.roundRect(x + 1, 1, 107, 18, car === 2 ? [3, 11, 3, 2] : 3);
    context.fill();
    context.fillStyle = '#d8344a';
    context.fillRect(x + 1, 13.4, 107, 3);
    context.fillStyle = '#17203f';
    for (let window = 0; window < 2; window++) context.fillRect(x + 6 + window * 10.4, 3.6, 7.4, 7.4);
    for (let window = 0; window < 2; window++) context.fillRect(x + 80 + window * 10.4, 3.6, 7.4, 7.4);
    context.font = `700 11px ${FONT}`;
    context.textAlign = 'center';
    context.fillText(['HARBOUR', 'LINE 7', 'EXPRESS'][car] ?? '', x + 53, 11.3, 50);
    context.fillStyle = '#1a1c2c';
    for (const wheel of [12, 22, 86, 96]) {
      context.beginPath();
      context.arc(x + wheel, 19.4, 2.4, 0, 2 * Math.PI);
      context.fill();
    }
  }
};

const drawTicker: Draw = (context) => {
  context.fillStyle = '#0b0f24';
  context.fillRect(0, 0, 560, 17);
  context.font = `700 13px ${FONT}`;
  context.fillStyle = '#ffc04d';
  context.fillText('Small in, sharp out', 8, 13, 150);
  context.fillStyle = '#8fe3ff';
  context.fillText('the truth is known here', 200, 13, 170);
  context.fillStyle = '#ff8fa3';
  context.fillText('drag the border', 420, 13, 120);
};
