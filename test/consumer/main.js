import { upscaleTrack } from 'mana-upscale';

const canvas = document.createElement('canvas');
canvas.width = 64;
canvas.height = 48;
const context = canvas.getContext('2d');
let tick = 0;
setInterval(() => {
  context.fillStyle = '#357';
  context.fillRect(0, 0, 64, 48);
  context.fillStyle = '#fc3';
  context.fillRect(8 + (tick % 30), 12, 16, 24);
  tick++;
}, 60);

const [track] = canvas.captureStream(15).getVideoTracks();
const upscaled = await upscaleTrack(track, { backend: 'wasm', budgetMs: 20000 });
upscaled.addEventListener('level', ({ detail }) => {
  document.querySelector('#result').textContent = `${detail.to} ${upscaled.stats().outputSize.width}`;
});
upscaled.addEventListener('fallback', ({ detail }) => {
  document.querySelector('#result').textContent = `fallback: ${detail.reason}`;
});
const video = document.createElement('video');
video.muted = true;
video.srcObject = new MediaStream([upscaled.track]);
document.body.append(video);
await video.play();
