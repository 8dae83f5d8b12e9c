/** The chunks of a server-sent stream, as they arrive. */

import { Away } from "./http";
import type { Chunk } from "./types";

/** The server sends a comment every 15 seconds: after three of them nobody is there. */
const SILENCE = 50_000;

/**
 * Calls `take` with each chunk. Returns whether the stream came to its proper end; raises `Away` if the
 * connection broke or fell silent.
 */
export async function readChunks(
  reply: Response,
  take: (chunk: Chunk) => void,
  signal: AbortSignal,
): Promise<boolean> {
  if (reply.body === null) return false;
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;
  const line = (text: string): void => {
    if (!text.startsWith("data:")) return;
    const data = text.slice(5).trim();
    if (data === "[DONE]") ended = true;
    else if (data) take(JSON.parse(data) as Chunk);
  };
  try {
    for (;;) {
      const { done, value } = await timed(reader.read(), signal);
      if (done) return ended;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() as string;
      lines.forEach(line);
      if (ended) return true;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Away("The connection broke.");
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function timed<Value>(wait: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Away("The connection fell silent.")), SILENCE);
    const leave = (): void => reject(new DOMException("left", "AbortError"));
    signal.addEventListener("abort", leave, { once: true });
    wait.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
    });
  });
}
