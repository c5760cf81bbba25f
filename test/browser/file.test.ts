import { expect, it } from 'vitest';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';
import type { Outcome } from '../pages/file.js';

const pages = testPages();
const files = mediaFiles();

it('smoke', async () => {
  const source = files.make('-f','lavfi','-i','testsrc2=s=64x48:r=25:d=0.48','-f','lavfi','-i','sine=d=0.48','-c:v','libx264','-pix_fmt','yuv420p','-c:a','aac','-color_primaries','smpte170m','-colorspace','smpte170m','-color_trc','smpte170m','-color_range','tv','in.mp4');
  const out = await pages.run<Outcome>('file', 'upscale', source.toString('base64'), 'in.mp4', {}, true);
  const { bytes, made, ...rest } = out;
  console.log(JSON.stringify(rest, null, 1), bytes.length, made.length);
  if (bytes) { files.write('out.mp4', Buffer.from(bytes, 'base64'));
  console.log(files.streams('in.mp4'), files.streams('out.mp4'));
  for (const f of ['in.mp4','out.mp4']) console.log(JSON.stringify(files.each(f,'packet','v','pts_time','duration_time')), JSON.stringify(files.each(f,'packet','a','pts_time')));
  console.log(files.packetHashes('in.mp4','a').join() === files.packetHashes('out.mp4','a').join());
  }
}, 60000);
