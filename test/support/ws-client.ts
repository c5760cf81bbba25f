import { once } from 'node:events';
import { expect } from 'vitest';
import WebSocket from 'ws';
import type { ServerMessage } from '../../src/server/http/messages.js';
import { closeRigs, type HttpRig } from './http-rig.js';

const clients: WebSocket[] = [];

/** Ends the clients that were opened, and the servers. */
export async function closeClients(): Promise<void> {
  for (const client of clients.splice(0)) client.terminate();
  await closeRigs();
}

/** A client of the server's WebSocket. */
export interface Client {
  readonly socket: WebSocket;
  readonly received: ServerMessage[];
  /** How often the server has asked whether it is still there. */
  pings: number;
  send(message: unknown): void;
  /** The next message that has not been taken. */
  next(): Promise<ServerMessage>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

/** Connects. */
export async function client(rig: HttpRig, options: WebSocket.ClientOptions = {}): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${rig.server.port}/ws`, options);
  clients.push(socket);
  const received: ServerMessage[] = [];
  let taken = 0;
  socket.on('message', (data) => received.push(JSON.parse(String(data)) as ServerMessage));
  socket.on('error', () => {});
  socket.on('ping', () => made.pings++);
  const closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }));
  const made: Client = {
    socket,
    received,
    pings: 0,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    next: async () => {
      await expect.poll(() => received.length).toBeGreaterThan(taken);
      return received[taken++]!;
    },
  };
  await once(socket, 'open');
  return made;
}

/** Connects in vain. @returns the status */
export const refusedWith = (rig: HttpRig, options: WebSocket.ClientOptions = {}): Promise<number> =>
  new Promise<number>((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${rig.server.port}/ws`, options);
    clients.push(socket);
    socket.on('error', () => {});
    socket.on('open', () => reject(new Error('It was opened.')));
    socket.on('unexpected-response', (request, response) => {
      response.resume();
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
  });
