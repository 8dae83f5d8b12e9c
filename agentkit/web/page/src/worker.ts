/**
 * Keeps the page itself (not what was said in it), so that it opens without a network. The server is always asked
 * first; pictures, previews and everything under `api/` never pass through here.
 */

interface Worker {
  readonly registration: { readonly scope: string };
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(kind: "install" | "activate", listener: (event: Lasting) => void): void;
  addEventListener(kind: "fetch", listener: (event: Fetching) => void): void;
}
interface Lasting {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Lasting {
  readonly request: Request;
  respondWith(reply: Promise<Response>): void;
}

const worker = self as unknown as Worker;
const CACHE = "agentkit-page";
const scope = worker.registration.scope;
const SHELL = ["", "page/page.css", "page/page.js", "page/icon.svg", "page/app.webmanifest"].map(
  (path) => new URL(path, scope).href,
);

worker.addEventListener("install", (event) => {
  const fill = caches.open(CACHE).then((cache) => cache.addAll(SHELL));
  event.waitUntil(fill.then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const page = request.url.replace(/[?#].*$/, "");
  if (request.method !== "GET" || !SHELL.includes(page)) return;
  // A link with a token is the server's alone.
  if (request.mode === "navigate" && request.url.includes("?")) return;
  event.respondWith(fromServer(request, page));
});

async function fromServer(request: Request, page: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const reply = await fetch(request);
    if (reply.ok && reply.type === "basic" && !reply.redirected) await cache.put(page, reply.clone());
    return reply;
  } catch (error) {
    const kept = await cache.match(page, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}
