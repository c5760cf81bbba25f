import { bicubic } from './bicubic.js';
import { luma, squaredError } from './psnr.js';

/** Three pictures of one frame. `shown` and `truth` have one size. */
export interface MeasureRequest {
  readonly shown: ImageData;
  readonly source: ImageData;
  readonly truth: ImageData;
  /** Share of the height, from the top, that is compared. */
  readonly share: number;
}

/** Mean squared error of luma against the truth. */
export interface MeasureAnswer {
  readonly ours: number;
  readonly bicubic: number;
}

addEventListener('message', ({ data: { shown, source, truth, share } }: MessageEvent<MeasureRequest>) => {
  const { width, height } = truth;
  const wanted = luma(truth.data);
  const count = Math.floor(height * share) * width;
  const enlarged = bicubic(luma(source.data), source.width, source.height, width, height);
  const answer: MeasureAnswer = {
    ours: squaredError(luma(shown.data), wanted, count),
    bicubic: squaredError(enlarged, wanted, count),
  };
  postMessage(answer);
});
