import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IceServer, StreamAction } from '../options.js';
import type { PeerSession, WatchedVideo } from '../rooms.js';
import { type HttpContext, questionOf } from './context.js';
import { HttpProblem } from './problem.js';
import { checkStream } from './sessions.js';
import { entityTag, SDP_FRAGMENT } from './trickle.js';

/** The media type of offers and answers. */
export const SDP = 'application/sdp';

interface EndpointRoute {
  Params: { stream: string };
  Querystring: Record<string, unknown>;
}

/**
 * Where sessions are asked for: WHIP (RFC 9725) to publish, WHEP (draft-ietf-wish-whep-04) to watch, `?video=source` or
 * `upscaled`. An offer that cannot be answered is refused with 406; there are no counter-offers.
 */
export function addEndpoints(app: FastifyInstance, context: HttpContext): void {
  addEndpoint(app, context, 'whip', 'publish');
  addEndpoint(app, context, 'whep', 'watch');
}

function addEndpoint(app: FastifyInstance, context: HttpContext, path: 'whip' | 'whep', action: StreamAction): void {
  const { access, sessions, config } = context;
  const link = iceServerLinks(config.media.iceServers);

  // Section 4.1 of either: a resource without a representation.
  app.get<EndpointRoute>(`/${path}/:stream`, (_request, reply) => reply.code(204).send());

  app.post<EndpointRoute>(`/${path}/:stream`, {
    // Before the body is read: strangers do not get to send any.
    onRequest: async (request) => {
      sessions.refuseWhenDraining();
      checkStream(request.params.stream);
      await access.check(questionOf(request, action, request.params.stream));
      checkContentType(request, SDP);
    },
    handler: async (request, reply) => {
      const session = await sessions.open({
        action,
        stream: request.params.stream,
        video: action === 'watch' ? readVideo(request.query['video']) : 'source',
        offerSdp: bodyOf(request),
        transport: path,
      });
      if (request.raw.socket.destroyed) {
        await session.close('The client went away before it was answered.');
        return reply;
      }
      return answer(reply, session, link);
    },
  });
}

function answer(reply: FastifyReply, session: PeerSession, link: string): FastifyReply {
  if (link !== '') reply.header('link', link);
  return reply
    .code(201)
    .header('location', `/sessions/${session.id}`)
    .header('etag', entityTag(session))
    .header('accept-patch', SDP_FRAGMENT)
    .header('cache-control', 'no-store')
    .type(SDP)
    .send(session.answerSdp);
}

/**
 * Refuses bodies of other types before they are read.
 * @throws HttpProblem 415
 */
export function checkContentType(request: FastifyRequest, wanted: string): void {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (type !== wanted) throw new HttpProblem(415, `The body must have the content type ${wanted}.`);
  if (encoding !== 'identity') throw new HttpProblem(415, 'The body must not be compressed.');
}

/**
 * The body of a request whose content type has been checked.
 * @throws HttpProblem 400 when there is none
 */
export function bodyOf(request: FastifyRequest): string {
  if (typeof request.body === 'string' && request.body !== '') return request.body;
  throw new HttpProblem(400, 'The body is empty.');
}

/** @throws HttpProblem 400 */
export function readVideo(video: unknown): WatchedVideo {
  if (video === undefined) return 'upscaled';
  if (video === 'source' || video === 'upscaled') return video;
  throw new HttpProblem(400, 'video must be source or upscaled.');
}

/** STUN and TURN servers as a Link field (RFC 9725, section 4.6). What stands in them has been checked. */
function iceServerLinks(servers: readonly IceServer[]): string {
  const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
  return servers
    .flatMap(({ urls, username, credential }) =>
      [urls].flat().map((url) => {
        const parts = [`<${url}>; rel="ice-server"`];
        if (username !== undefined) parts.push(`username=${quoted(username)}`);
        if (credential !== undefined) parts.push(`credential=${quoted(credential)}; credential-type="password"`);
        return parts.join('; ');
      }),
    )
    .join(', ');
}
