import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import { SignallingError } from '../rooms.js';

/** A request that is refused, with the header fields that go with the refusal. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';

  constructor(
    readonly status: number,
    /** One sentence for whoever sent the request. */
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const RETRY_AFTER_SECONDS = 5;

/** Sentences for what the HTTP library refuses by itself: its own ones repeat what was sent. */
const SENTENCES: Readonly<Record<number, string>> = {
  400: 'The request is malformed.',
  404: 'There is nothing here.',
  408: 'The request took too long.',
  413: 'The body is too large.',
  414: 'The path is too long.',
  415: 'The body has a content type that is not taken here.',
  431: 'The header is too large.',
};

/** What a thrown thing tells a client. Nothing of what went wrong inside gets out. */
export function problemOf(thrown: unknown): HttpProblem {
  if (thrown instanceof HttpProblem) return thrown;
  if (thrown instanceof SignallingError) {
    const headers = thrown.status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {};
    return new HttpProblem(thrown.status, thrown.message, headers, { cause: thrown.cause });
  }
  const status =
    thrown instanceof Error && 'statusCode' in thrown && typeof thrown.statusCode === 'number'
      ? thrown.statusCode
      : 500;
  if (status >= 400 && status < 500) {
    return new HttpProblem(status, SENTENCES[status] ?? 'The request is refused.', {}, { cause: thrown });
  }
  return new HttpProblem(500, 'The server could not do it; its log says why.', {}, { cause: thrown });
}

/** The body of a refusal: problem details for HTTP APIs (RFC 9457). */
export function problemBody({ status, message }: HttpProblem): string {
  return JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Refused', status, detail: message });
}

/** Answers with a refusal. */
export function sendProblem(reply: FastifyReply, problem: HttpProblem): FastifyReply {
  return reply
    .code(problem.status)
    .headers(problem.headers)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(problemBody(problem));
}

/** A whole HTTP/1.1 response with a refusal, for sockets on which no request could be read. */
export function rawProblem(status: number): string {
  const problem = new HttpProblem(status, SENTENCES[status] ?? 'The request is refused.');
  const body = problemBody(problem);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
