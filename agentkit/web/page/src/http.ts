/** Requests to the server that this page came from, and to no other. */

import { learnClock } from "./format";

/** The address below which the server answers: the folder above that of the scripts. */
export const root = new URL("..", import.meta.url);

/** The server refused; `message` is its own plain words. */
export class Refused extends Error {
  constructor(readonly status: number, words: string) {
    super(words);
  }
}

/** The server could not be reached, or the connection broke. */
export class Away extends Error {}

export function address(path: string): string {
  return new URL(path, root).href;
}

/** The address of something that the server keeps, or null if the text leads anywhere else. */
export function own(path: string | null | undefined): string | null {
  if (!path) return null;
  try {
    const found = new URL(path, root);
    const here = found.origin === root.origin && found.pathname.startsWith(root.pathname);
    return here && found.protocol === root.protocol ? found.href : null;
  } catch {
    return null;
  }
}

const BY_STATUS: Record<number, string> = {
  401: "You are signed out. Open the link that the server printed, or sign in again.",
  403: "The server does not allow this page to do that.",
  404: "That is not there any more.",
  409: "Another turn of this conversation is going on. Wait for its end, or stop it.",
  413: "That is larger than the server takes.",
  415: "That is of a kind which the server does not take.",
  429: "The server has too much to do. Try again in a moment.",
};

async function refusal(reply: Response): Promise<Refused> {
  let words = BY_STATUS[reply.status] ?? `The server answered with status ${reply.status}.`;
  try {
    const told = (await reply.json()) as { error?: unknown; accepted?: unknown };
    if (typeof told.error === "string" && told.error) words = told.error;
    // Of a file, what would be taken helps; of the rest it is for programs.
    if (typeof told.accepted === "string" && [413, 415].includes(reply.status)) words += ` Accepted: ${told.accepted}.`;
  } catch {
    // An error page of a proxy is no JSON: the words for the status stand.
  }
  return new Refused(reply.status, words);
}

export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(address(path), { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Away("The server cannot be reached.");
  }
  learnClock(reply.headers.get("date"));
  // What stands between the page and a server that is being restarted answers so.
  if ([502, 503, 504].includes(reply.status)) throw new Away("The server cannot be reached.");
  if (!reply.ok) throw await refusal(reply);
  return reply;
}

export async function getJson<Told>(path: string): Promise<Told> {
  return (await (await request(path)).json()) as Told;
}

export function send(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  body: unknown = {},
  signal?: AbortSignal,
): Promise<Response> {
  return request(path, {
    method,
    headers: { "content-type": "application/json" },
    body: method === "DELETE" ? undefined : JSON.stringify(body),
    signal,
  });
}
