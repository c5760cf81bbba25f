/** The part of a worker's global scope, or of a port, that hosts need. */
export interface MessageScope {
  /** Sends to the other side. */
  postMessage(message: unknown, transfer?: Transferable[]): void;
  /** Listens to the other side. */
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

/** The part of a `Worker` that the live core needs. Node's threads are dressed up as one. */
export interface WorkerLike extends MessageScope {
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void;
  terminate(): void;
}
