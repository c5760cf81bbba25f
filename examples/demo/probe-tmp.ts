import { manaUpscale } from 'mana-upscale';
import { Subject } from 'rxjs';
import { bicubic } from './bicubic.js';
import { newSurface } from './canvas.js';
import { luma, psnr, squaredError } from './psnr.js';
import { Scene } from './scene.js';
export async function probe(model: string, width: number, height: number, from: number, count: number, lookahead: number, threads = 2) {
  const scene = new Scene(width, height);
  const input = new Subject<VideoFrame>();
  const results: number[][] = [];
  let done = () => {};
  const finished = new Promise<void>((r) => { done = r; });
  const shown = newSurface(width * 2, height * 2, true);
  let drawMs = 0; let last: any;
  let got = () => {};
  const bands = 6;
  const ours = new Float64Array(bands), bic = new Float64Array(bands);
  const levels: string[] = [];
  input.pipe(manaUpscale({ model, backend: 'wasm', lookahead, budgetMs: 60000, threads, onStats: (s: any) => { last = s; }, onEvent: (e: any) => levels.push(JSON.stringify(e)) } as any)).subscribe({
    next: (frame) => {
      const n = Math.round(frame.timestamp / 40000);
      shown.context.drawImage(frame, 0, 0); frame.close();
      const W = width * 2, H = height * 2;
      const truth = luma(scene.truth(n, W, H).data);
      scene.draw(n);
      const small = luma(scene.small.context.getImageData(0, 0, width, height).data);
      const up = bicubic(small, width, height, W, H);
      const mine = luma(shown.context.getImageData(0, 0, W, H).data);
      const rows = H - 16;
      results.push([n, psnr(squaredError(mine, truth, rows * W)), psnr(squaredError(up, truth, rows * W))]);
      for (let b = 0; b < bands; b++) {
        const a = Math.floor(rows * b / bands) * W, z = Math.floor(rows * (b + 1) / bands) * W;
        ours[b] += squaredError(mine.subarray(a, z), truth.subarray(a, z), z - a); bic[b] += squaredError(up.subarray(a, z), truth.subarray(a, z), z - a);
      }
      got();
    }, complete: () => done(), error: (e) => { levels.push(String(e)); done(); },
  });
  scene.draw(0);
  for (let k = 0; k < 200 && !levels.some((l) => l.includes('ready')); k++) {
    input.next(new VideoFrame(scene.small.canvas, { timestamp: k * 1000 }));
    await new Promise((r) => setTimeout(r, 100));
  }
  await new Promise((r) => setTimeout(r, 1000));
  results.length = 0; ours.fill(0); bic.fill(0);
  for (let i = 0; i < count; i++) {
    const t = performance.now(); scene.draw(from + i); drawMs += performance.now() - t;
    input.next(new VideoFrame(scene.small.canvas, { timestamp: (from + i) * 40000 }));
    await Promise.race([new Promise<void>((r) => { got = r; }), new Promise((r) => setTimeout(r, i < 5 ? 400 : 1500))]);
  }
  input.complete(); await finished;
  const net = results.slice(-Math.floor(count / 2));
  const mean = (k: number) => net.reduce((s, r) => s + r[k]!, 0) / net.length;
  return { model, n: results.length, ours: mean(1), bicubic: mean(2), bands: [...ours].map((o, b) => (psnr(o / results.length) - psnr(bic[b]! / results.length)).toFixed(2)), bandsBicubic: [...bic].map((o) => psnr(o / results.length).toFixed(1)), drawMs: drawMs / count, stage: last.stageMs };
}
