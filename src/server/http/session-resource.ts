import type { FastifyInstance } from 'fastify';
import type { PeerSession } from '../rooms.js';
import type { HttpContext } from './context.js';
import { bodyOf, checkContentType } from './endpoints.js';
import { HttpProblem } from './problem.js';
import { checkIfMatch, SDP_FRAGMENT } from './trickle.js';

interface SessionRoute {
  Params: { session: string };
}

/**
 * One session of WHIP or WHEP: `PATCH` brings ICE candidates, `DELETE` ends it. The path cannot be guessed, so that whoever
 * has it may use it; a token is not asked for again. ICE restarts are refused with 422 (RFC 9725, section 4.3.1).
 */
export function addSessionResource(app: FastifyInstance, { sessions }: HttpContext): void {
  const url = '/sessions/:session';
  const find = (id: string): PeerSession => {
    const session = sessions.get(id);
    if (!session) throw new HttpProblem(404, 'There is no such session, or it is over.');
    return session;
  };

  app.get<SessionRoute>(url, async (request, reply) => {
    find(request.params.session);
    return reply.code(204).send();
  });

  app.patch<SessionRoute>(url, {
    onRequest: async (request) => {
      const session = find(request.params.session);
      checkContentType(request, SDP_FRAGMENT);
      checkIfMatch(request.headers['if-match'], session);
    },
    handler: async (request, reply) => {
      await sessions.trickle(find(request.params.session), bodyOf(request));
      return reply.code(204).send();
    },
  });

  app.delete<SessionRoute>(url, async (request, reply) => {
    await find(request.params.session).close('The client ended it.');
    return reply.code(200).send();
  });
}
