import { upscaleFile, upscaleStream } from 'mana-upscale';

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
const sound = new AudioContext();
const output = new MediaStreamAudioDestinationNode(sound);
new OscillatorNode(sound).connect(output);
const stream = new MediaStream([track, ...output.stream.getAudioTracks()]);
const upscaled = await upscaleStream(stream, { backend: 'wasm', budgetMs: 20000 });
const told = { level: '', audio: '' };
const tell = (news) => {
  Object.assign(told, news);
  if (told.level && told.audio) document.querySelector('#result').textContent = `${told.level} ${told.audio}`;
};
upscaled.video.addEventListener('level', ({ detail }) => {
  tell({ level: `${detail.to} ${upscaled.video.stats().outputSize.width}` });
});
upscaled.addEventListener('audio', ({ detail }) => tell({ audio: detail.to }));
upscaled.video.addEventListener('fallback', ({ detail }) => {
  document.querySelector('#result').textContent = `fallback: ${detail.reason}`;
});
const video = document.createElement('video');
video.muted = true;
video.srcObject = upscaled.stream;
document.body.append(video);
await video.play();

/** Upscales a file that comes as Base64, and tells how many frames came of it, or why not. */
globalThis.upscaleBase64 = async (base64, name) => {
  const file = new File([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], name);
  const options = { backend: 'wasm', model: 'mana-nano-x2', assets: { ffmpegCore: '/core/' } };
  try {
    const { frames, blob } = await upscaleFile(file, options);
    return `${frames} frames, ${blob.type}`;
  } catch (thrown) {
    return String(thrown);
  }
};
