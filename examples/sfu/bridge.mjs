/**
 * Carries one video between WebRTC over HTTP and plain RTP over UDP, which SFUs speak: in neither direction anything is
 * decoded. Keyframes that one side asks for are asked of the other.
 */
import { createSocket } from 'node:dgram';
import { parseArgs } from 'node:util';
import {
  MediaStreamTrack,
  PictureLossIndication,
  RTCPeerConnection,
  RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtpPacket,
  useH264,
  useVP8,
} from 'werift';

const HELP = `Carries one video between a server that upscales and an SFU.

  node examples/sfu/bridge.mjs whep-to-rtp <WHEP address> <host:port>   what is watched goes to host:port, as RTP
  node examples/sfu/bridge.mjs rtp-to-whip <port> <WHIP address>        RTP that comes to the port is published

  --token <text>    bearer token for the server
  --codec <name>    vp8 or h264: what the stream has, or will have.  Default vp8.
  --pt <n>          payload type of the RTP that is sent.            Default 96.
  --ssrc <n>        SSRC of the RTP that is sent.                    Default 1234.
  --keyframes <n>   asks the server for a keyframe every n seconds, for SFUs that cannot ask. 2 at least.

RTCP is multiplexed: it comes and goes on the ports of RTP.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    token: { type: 'string' },
    codec: { type: 'string', default: 'vp8' },
    pt: { type: 'string', default: '96' },
    ssrc: { type: 'string', default: '1234' },
    keyframes: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [direction, from, to] = positionals;
const codec = { vp8: useVP8, h264: useH264 }[values.codec];
if (values.help || !codec || !from || !to || !['whep-to-rtp', 'rtp-to-whip'].includes(direction)) {
  console.error(HELP);
  process.exit(values.help ? 0 : 64);
}

const pc = new RTCPeerConnection({ codecs: { video: [codec()] }, iceServers: [], iceUseIpv6: false });
const socket = createSocket('udp4');
let resource;

/** Gives the offer to the server, and takes its answer. */
async function open(address) {
  await pc.setLocalDescription(await pc.createOffer());
  const headers = { 'content-type': 'application/sdp' };
  if (values.token) headers.authorization = `Bearer ${values.token}`;
  const response = await fetch(address, { method: 'POST', headers, body: pc.localDescription.sdp });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`${address} answered ${response.status}: ${text}`);
  resource = new URL(response.headers.get('location'), address);
  await pc.setRemoteDescription({ type: 'answer', sdp: text });
}

/** RFC 5761, section 4: what comes on the same port is RTCP when its second byte says so. */
const isRtcp = (data) => data.length > 1 && data[1] >= 192 && data[1] <= 223;

const asksForKeyframe = (data) =>
  RtcpPacketConverter.deSerialize(data).some(
    (packet) => packet instanceof RtcpPayloadSpecificFeedback && packet.feedback instanceof PictureLossIndication,
  );

async function whepToRtp() {
  const [, host, port] = /^(.+):(\d+)$/.exec(to) ?? [];
  socket.bind(0);
  const { receiver } = pc.addTransceiver('video', { direction: 'recvonly' });
  pc.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe((packet) => {
      packet.header.payloadType = Number(values.pt);
      const { ssrc } = packet.header;
      packet.header.ssrc = Number(values.ssrc);
      // Numbers of header extensions were agreed on with the server only.
      packet.header.extension = false;
      packet.header.extensions = [];
      socket.send(packet.serialize(), Number(port), host);
      packet.header.ssrc = ssrc;
    });
    const ask = () => receiver.sendRtcpPLI(track.ssrc).catch(() => {});
    socket.on('message', (data) => {
      if (isRtcp(data) && asksForKeyframe(data)) ask();
    });
    if (values.keyframes) setInterval(ask, Math.max(2, Number(values.keyframes)) * 1000);
  });
  await open(from);
}

async function rtpToWhip() {
  const track = new MediaStreamTrack({ kind: 'video' });
  const { sender } = pc.addTransceiver(track, { direction: 'sendonly' });
  let source;
  let mediaSsrc = 0;
  sender.onPictureLossIndication.subscribe(() => {
    if (!source) return;
    const feedback = new PictureLossIndication({ senderSsrc: Number(values.ssrc), mediaSsrc });
    socket.send(new RtcpPayloadSpecificFeedback({ feedback }).serialize(), source.port, source.address);
  });
  socket.on('message', (data, remote) => {
    if (isRtcp(data) || data.length < 12) return;
    source = remote;
    const packet = RtpPacket.deSerialize(data);
    mediaSsrc = packet.header.ssrc;
    packet.header.extension = false;
    packet.header.extensions = [];
    track.writeRtp(packet);
  });
  socket.bind(Number(from));
  await open(to);
}

async function end(code) {
  socket.close();
  if (resource) await fetch(resource, { method: 'DELETE', signal: AbortSignal.timeout(2000) }).catch(() => {});
  await pc.close();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(0));
pc.connectionStateChange.subscribe((state) => {
  console.log(`The connection is ${state}.`);
  if (state === 'failed' || state === 'closed') end(1);
});
try {
  await (direction === 'whep-to-rtp' ? whepToRtp() : rtpToWhip());
} catch (error) {
  console.error(error.message);
  await end(1);
}
