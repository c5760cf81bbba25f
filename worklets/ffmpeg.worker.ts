/** What `@ffmpeg/ffmpeg` starts as its worker; it is told where ffmpeg's core is. */
import '@ffmpeg/ffmpeg/worker';
