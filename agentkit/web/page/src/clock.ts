/** Seconds that pass while something is at work: one timer for all of them, and none while nothing is. */

import { say } from "./dom";
import { now, seconds } from "./format";

const running = new Map<Element, number>();
let timer: ReturnType<typeof setInterval> | null = null;

function tick(): void {
  for (const [element, begun] of running) {
    if (element.isConnected) say(element, seconds(Math.max(0, (performance.now() - begun) / 1000)));
    else running.delete(element);
  }
  if (running.size === 0 && timer !== null) {
    clearInterval(timer);
    timer = null;
  }
}

/** Shows the seconds since `startedAt` (of the server's clock), or since now where that is not known. */
export function runClock(element: Element, startedAt: number | null | undefined): void {
  if (running.has(element)) return;
  const before = startedAt ? Math.max(0, now() - startedAt * 1000) : 0;
  running.set(element, performance.now() - before);
  timer ??= setInterval(tick, 100);
}

export function stopClock(element: Element): void {
  running.delete(element);
}
