import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';

/**
 * What a server may do wrong with a file: answer 404 or 500, give a web page instead, break off or end in the middle,
 * change a byte, never stop, say nothing at all, stop sending in the middle, or send a piece now and then.
 */
export type Fault =
  | 'missing'
  | 'failing'
  | 'page'
  | 'broken-off'
  | 'short'
  | 'altered'
  | 'endless'
  | 'silent'
  | 'stalled'
  | 'slow';

/** A real HTTP server of one model's files, on 127.0.0.1, that can be told to misbehave. */
export interface ModelServer {
  /** Address of the folder. */
  readonly url: string;
  /** Names of the files that were asked for, in order. */
  readonly asked: string[];
  /** Bytes that were written as bodies, by file. */
  readonly sent: ReadonlyMap<string, number>;
  /** Answers under way. */
  readonly open: ReadonlySet<ServerResponse>;
  /** Sends other bytes under a name. */
  replace(name: string, data: Uint8Array): void;
  /** Misbehaves with a file the next so many times. */
  fault(name: string, fault: Fault, times?: number): void;
  /** The server is gone, and every connection with it. */
  stop(): Promise<void>;
}

const SLOW_MS = 20;

/** Serves a folder of `models/`, or of another folder of the project. */
export async function serveModel(name: string, among = 'models'): Promise<ModelServer> {
  const folder = new URL(`../../${among}/${name}/`, import.meta.url);
  const replaced = new Map<string, Uint8Array>();
  const faults = new Map<string, { fault: Fault; times: number }>();
  const asked: string[] = [];
  const sent = new Map<string, number>();
  const open = new Set<ServerResponse>();
  const read = (file: string): Uint8Array | undefined => {
    try {
      return replaced.get(file) ?? readFileSync(new URL(file, folder));
    } catch {
      return undefined;
    }
  };
  const server = createServer((request, response) => {
    const file = basename(new URL(request.url ?? '/', 'http://127.0.0.1').pathname);
    asked.push(file);
    open.add(response);
    response.on('close', () => open.delete(response));
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Cache-Control', 'no-store');
    const data = read(file);
    const planned = faults.get(file);
    const fault = planned && planned.times-- > 0 ? planned.fault : undefined;
    const write = (bytes: Uint8Array): boolean => {
      sent.set(file, (sent.get(file) ?? 0) + bytes.length);
      return response.write(bytes);
    };
    if (!data || fault === 'missing') response.writeHead(404).end('not here');
    else if (fault === 'failing') response.writeHead(503).end('not now');
    else if (fault === 'page') response.writeHead(200).end('<!doctype html><title>Welcome</title>');
    else if (fault === 'altered') {
      const copy = Uint8Array.from(data);
      copy[copy.length >> 1] = (copy[copy.length >> 1] as number) ^ 1;
      write(copy);
      response.end();
    } else if (fault === 'short') {
      write(data.subarray(0, data.length >> 1));
      response.end();
    } else if (fault === 'broken-off') {
      response.setHeader('Content-Length', data.length);
      write(data.subarray(0, data.length >> 1));
      setTimeout(() => response.destroy(), SLOW_MS);
    } else if (fault === 'stalled') write(data.subarray(0, data.length >> 1));
    else if (fault === 'endless') {
      write(data);
      const timer = setInterval(() => write(new Uint8Array(65536)), 1);
      response.on('close', () => clearInterval(timer));
    } else if (fault === 'slow') {
      let at = 0;
      const timer = setInterval(() => {
        const to = Math.min(data.length, at + Math.ceil(data.length / 20));
        write(data.subarray(at, to));
        at = to;
        if (at === data.length) response.end();
      }, SLOW_MS);
      response.on('close', () => clearInterval(timer));
    } else if (fault !== 'silent') {
      response.setHeader('Content-Length', data.length);
      write(data);
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}/`,
    asked,
    sent,
    open,
    replace: (file, data) => replaced.set(file, data),
    fault: (file, fault, times = Number.POSITIVE_INFINITY) => faults.set(file, { fault, times }),
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
