import type { StreamAction } from '../options.js';
import type { WatchedVideo } from '../rooms.js';
import { isRecord } from '../setting-values.js';

/** What a client gives a request to find its answer by. */
export type MessageId = string | number;

/**
 * What clients send over the WebSocket at `/ws`, a JSON text each:
 * - `publish` and `watch` ask for a session with an SDP offer and get `answer` or `error` with the same `id`;
 * - `candidate` brings ICE candidates of a session, as `application/trickle-ice-sdpfrag` (RFC 8840);
 * - `bye` ends a session.
 */
export type ClientMessage =
  | {
      readonly type: StreamAction;
      readonly id: MessageId;
      readonly stream: string;
      /** Of `watch`. Default `upscaled`. */
      readonly video: WatchedVideo;
      readonly sdp: string;
      /** Bearer token; else that of the upgrade's Authorization field. */
      readonly token: string | undefined;
    }
  | { readonly type: 'candidate'; readonly session: string; readonly candidate: string }
  | { readonly type: 'bye'; readonly session: string };

/** What the server sends. */
export type ServerMessage =
  | {
      readonly type: 'answer';
      readonly id: MessageId;
      readonly session: string;
      readonly sdp: string;
      readonly etag: string;
    }
  /** A request is refused, with the status that HTTP would refuse it with. `id` or `session` say which. */
  | {
      readonly type: 'error';
      readonly id?: MessageId;
      readonly session?: string;
      readonly status: number;
      readonly message: string;
    }
  /** A session is over, whoever ended it. */
  | { readonly type: 'closed'; readonly session: string; readonly reason: string };

/** A message that cannot be understood. */
export class MessageError extends Error {
  override readonly name = 'MessageError';

  constructor(
    message: string,
    /** Where it could be read. */
    readonly id?: MessageId,
  ) {
    super(message);
  }
}

const OPEN_FIELDS = ['type', 'id', 'stream', 'video', 'sdp', 'token'];
const MAX_ID_CHARACTERS = 64;
const MAX_NAME_CHARACTERS = 128;
const MAX_TOKEN_CHARACTERS = 512;

/**
 * Reads a message. The text's length has been bounded before.
 * @throws MessageError
 */
export function readMessage(text: string): ClientMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    throw new MessageError('A message must be JSON.');
  }
  if (!isRecord(message)) throw new MessageError('A message must be a JSON object.');
  const { type } = message;
  if (type === 'publish' || type === 'watch') return readOpen(type, message);
  if (type === 'candidate') {
    onlyFields(message, ['type', 'session', 'candidate']);
    return { type, session: name(message, 'session'), candidate: nonEmpty(message, 'candidate') };
  }
  if (type === 'bye') {
    onlyFields(message, ['type', 'session']);
    return { type, session: name(message, 'session') };
  }
  throw new MessageError('A message must have the type publish, watch, candidate or bye.', readId(message));
}

function readOpen(type: StreamAction, message: Record<string, unknown>): ClientMessage {
  const id = readId(message);
  if (id === undefined) throw new MessageError('id must be a number or a string of up to 64 characters.');
  onlyFields(message, OPEN_FIELDS, id);
  const { video = 'upscaled', token } = message;
  if (video !== 'source' && video !== 'upscaled') throw new MessageError('video must be source or upscaled.', id);
  if (token !== undefined && !(typeof token === 'string' && token.length <= MAX_TOKEN_CHARACTERS)) {
    throw new MessageError('token must be a string.', id);
  }
  return { type, id, stream: name(message, 'stream', id), video, sdp: nonEmpty(message, 'sdp', id), token };
}

function readId({ id }: Record<string, unknown>): MessageId | undefined {
  const isText = typeof id === 'string' && id.length > 0 && id.length <= MAX_ID_CHARACTERS;
  return isText || (typeof id === 'number' && Number.isSafeInteger(id)) ? id : undefined;
}

function onlyFields(message: Record<string, unknown>, fields: readonly string[], id?: MessageId): void {
  // Also what stops __proto__ and its like.
  if (Object.keys(message).every((key) => fields.includes(key))) return;
  throw new MessageError(`A message of this type has no fields but ${fields.join(', ')}.`, id);
}

function nonEmpty(message: Record<string, unknown>, field: string, id?: MessageId): string {
  const value = Object.hasOwn(message, field) ? message[field] : undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new MessageError(`${field} must be a string that is not empty.`, id);
}

function name(message: Record<string, unknown>, field: string, id?: MessageId): string {
  const value = nonEmpty(message, field, id);
  if (value.length <= MAX_NAME_CHARACTERS) return value;
  throw new MessageError(`${field} must have at most ${MAX_NAME_CHARACTERS} characters.`, id);
}
