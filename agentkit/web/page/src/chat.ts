/** One conversation: what is known of it here, and all that can happen to it. */

import { type Draft, unsent } from "./drafts";
import { Away, Refused, getJson, request, send } from "./http";
import { Growing, waitingIn } from "./reduce";
import { readChunks } from "./sse";
import type { ChatRecord, Chunk, FilePart, Message, ToolPart } from "./types";

export type Phase = "loading" | "idle" | "sending" | "streaming" | "stopping" | "away" | "gone";

/** A yes or no to a call that waits. `edited`: arguments that take the place of the model's. `answer`: to what it asks. */
export interface Decision {
  approved: boolean;
  reason?: string;
  edited?: Record<string, unknown>;
  answer?: Record<string, unknown>;
}

/** Which model is asked, where the person chose one. */
export interface Choice {
  model?: string;
  api?: string;
}

interface Listener {
  /** Something changed; `message` is the one that did, or null where it may be any. */
  changed(message: Message | null): void;
  /** Words for the person. `draft` is a message that was refused, and goes back to the composer. */
  problem(words: string, draft?: Draft): void;
  /** A turn ended, or one was begun: the list of conversations is another. */
  turned(): void;
}

const PAUSES = [1, 2, 4, 8, 15];

export class Chat {
  messages: Message[] = [];
  record: ChatRecord | null = null;
  phase: Phase = "idle";
  /** Seconds until the server is tried again, while it is away. */
  retryIn = 0;

  #leave = new AbortController();
  #heard = 0;
  #wake: (() => void) | null = null;
  readonly #decided = new Map<string, Decision>();

  constructor(readonly id: string, private readonly listener: Listener, public fresh: boolean) {
    if (!fresh) this.phase = "loading";
  }

  get busy(): boolean {
    return !["idle", "gone"].includes(this.phase);
  }

  /** Shows what the server has, and follows the turn that goes on. A message that it never got comes back. */
  async open(): Promise<void> {
    const kept = unsent.read(this.id);
    try {
      if (!this.fresh || kept !== null) await this.#load();
    } catch (error) {
      if (error instanceof Refused && error.status === 404 && kept !== null) this.fresh = true;
      else return this.#fail(error);
    }
    if (kept !== null) {
      unsent.write(this.id, null);
      if (this.#userCount() <= kept.before) {
        this.listener.problem("This message was not sent: the server did not get it.", kept);
      }
    }
    if (this.record?.status === "running") return this.#follow();
    this.#become("idle");
  }

  /** No more of this conversation is wanted here. The turn goes on at the server. */
  close(): void {
    this.#leave.abort();
    this.#wake?.();
  }

  async send(draft: Draft, choice: Choice): Promise<void> {
    const parts = draft.files.map(({ url, mediaType, filename }): FilePart => ({ type: "file", url, mediaType, filename }));
    const message: Message = {
      id: `new-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`,
      role: "user",
      parts: [...parts, ...(draft.text ? [{ type: "text" as const, text: draft.text }] : [])],
    };
    const before = this.#userCount();
    unsent.write(this.id, { ...draft, ...choice, before });
    this.messages = [...this.messages, message];
    this.#become("sending");
    await this.#post(
      { messages: [message], trigger: "submit-message", ...choice },
      () => {
        this.messages = this.messages.filter((each) => each !== message);
        unsent.write(this.id, null);
        return draft;
      },
    );
  }

  /** The prompt of an answer is sent again. The present answer stays, as a branch. */
  async retry(answer: Message, choice: Choice): Promise<void> {
    const place = this.messages.indexOf(answer);
    const before = this.messages;
    this.messages = this.messages.slice(0, place);
    this.#become("sending");
    const last = this.messages.at(-1);
    await this.#post(
      {
        messages: last === undefined ? [] : [last],
        trigger: "regenerate-message",
        messageId: answer.id,
        ...choice,
      },
      () => {
        this.messages = before;
        return undefined;
      },
    );
  }

  /** Keeps a decision, and sends all of them once no call waits for one. */
  async decide(message: Message, id: string, decision: Decision): Promise<void> {
    const call = message.parts.find(
      (part): part is ToolPart => part.type === "dynamic-tool" && part.toolCallId === id,
    );
    if (call?.approval === undefined || this.busy) return;
    this.#decided.set(id, decision);
    const { approved, reason } = decision;
    call.approval = { id: call.approval.id, approved, ...(reason ? { reason } : {}) };
    call.state = "approval-responded";
    this.listener.changed(message);
    if (waitingIn(message).length > 0) return;
    const decided = [...this.#decided];
    const edited = Object.fromEntries(decided.flatMap(([id, each]) => (each.edited ? [[id, each.edited]] : [])));
    const answers = Object.fromEntries(decided.flatMap(([id, each]) => (each.answer ? [[id, each.answer]] : [])));
    this.#decided.clear();
    this.#become("sending");
    await this.#post(
      { messages: [message], trigger: "submit-message", messageId: message.id, edited, answers },
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.#become("stopping");
    await this.#quiet(() => send("POST", `api/chat/${encodeURIComponent(this.id)}/stop`));
  }

  /** Goes on with a turn that was interrupted. */
  async goOn(): Promise<void> {
    this.#become("sending");
    await this.#guarded(async () => {
      await this.#consume(await send("POST", `api/chat/${encodeURIComponent(this.id)}/go-on`));
    });
  }

  /** Gives up a turn that was interrupted. Its pictures stay. */
  async drop(): Promise<void> {
    await this.#quiet(() => send("POST", `api/chat/${encodeURIComponent(this.id)}/drop`));
    await this.catchUp();
    this.listener.turned();
  }

  /** Somebody looks at the page again: another tab may have gone on, or a phone may have slept. */
  async catchUp(): Promise<void> {
    if (this.phase === "away") return this.#wake?.();
    const silent = performance.now() - this.#heard > 20_000;
    if (this.phase === "streaming" && silent) {
      this.#renew();
      return this.#recover();
    }
    if (this.phase !== "idle" || this.fresh) return;
    await this.#guarded(async () => {
      await this.#load();
      if (this.record?.status === "running") await this.#follow();
    });
  }

  tryNow(): void {
    this.#wake?.();
  }

  #userCount(messages: readonly Message[] = this.messages): number {
    return messages.filter((each) => each.role === "user").length;
  }

  #become(phase: Phase): void {
    this.phase = phase;
    this.listener.changed(null);
  }

  #renew(): AbortSignal {
    this.#leave.abort();
    this.#leave = new AbortController();
    return this.#leave.signal;
  }

  async #load(): Promise<void> {
    const { signal } = this.#leave;
    const record = await getJson<ChatRecord>(`api/chat/${encodeURIComponent(this.id)}`);
    if (signal.aborted || this.phase === "sending") return;
    this.record = record;
    this.fresh = false;
    for (const message of record.messages) {
      // Words that were heard live and are not told again.
      const heard = this.messages.find(({ id, error }) => id === message.id && error !== undefined);
      if (heard && !message.metadata?.error) message.error = heard.error;
    }
    const last = this.messages.at(-1);
    const growing =
      record.status === "running" && last?.role === "assistant" && !record.messages.some(({ id }) => id === last.id);
    this.messages = growing ? [...record.messages, last] : record.messages;
    this.listener.changed(null);
  }

  async #post(body: object, refused: () => Draft | undefined): Promise<void> {
    await this.#guarded(async () => {
      let reply: Response;
      try {
        reply = await send("POST", "api/chat", { id: this.id, ...body }, this.#renew());
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        const draft = refused();
        this.#become("idle");
        this.listener.problem(error.message, draft);
        if (!this.fresh) await this.catchUp();
        return;
      }
      unsent.write(this.id, null);
      this.fresh = false;
      this.listener.turned();
      await this.#consume(reply);
    });
  }

  async #follow(): Promise<void> {
    await this.#guarded(async () => {
      const reply = await request(`api/chat/${encodeURIComponent(this.id)}/stream`, { signal: this.#renew() });
      if (reply.status !== 204) return this.#consume(reply, true);
      await this.#load();
      this.#become("idle");
    });
  }

  async #consume(reply: Response, anew = false): Promise<void> {
    const { signal } = this.#leave;
    let growing: Growing | null = null;
    this.#heard = performance.now();
    if (this.phase !== "stopping") this.#become("streaming");
    const take = (chunk: Chunk): void => {
      this.#heard = performance.now();
      growing ??= new Growing(this.#begun(chunk, anew));
      growing.take(chunk);
      this.listener.changed(growing.message);
    };
    const whole = await readChunks(reply, take, signal);
    if (!whole) throw new Away("The connection broke.");
    this.phase = "idle";
    await this.#load().catch((error: unknown) => {
      if (!(error instanceof Away)) throw error;
    });
    this.listener.changed(null);
    this.listener.turned();
    if (this.record?.status === "running") await this.#follow();
  }

  /**
   * The message that a stream's first chunk begins, or goes on with. `anew`: the stream is told from the start of
   * the message, and what came of it before a broken connection comes again.
   */
  #begun(chunk: Chunk, anew: boolean): Message {
    const id = String(chunk["messageId"] ?? "answer");
    const known = this.messages.find((each) => each.id === id);
    if (known) {
      if (anew) known.parts = [];
      delete known.error;
      return known;
    }
    const last = this.messages.at(-1);
    if (last?.role === "user" && last.id.startsWith("new-")) last.id = `${id}-prompt`;
    const message: Message = { id, role: "assistant", parts: [] };
    this.messages = [...this.messages, message];
    this.listener.changed(null);
    return message;
  }

  async #guarded(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      await this.#fail(error);
    }
  }

  async #quiet(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.listener.problem(error instanceof Error ? error.message : String(error));
    }
  }

  async #fail(error: unknown): Promise<void> {
    if (error instanceof DOMException && error.name === "AbortError") return;
    if (error instanceof Away) return this.#recover();
    if (error instanceof Refused && error.status === 404) return this.#become("gone");
    this.#become("idle");
    this.listener.problem(error instanceof Error ? error.message : String(error));
  }

  /** Tries the server until it answers. What was received is then followed; what was not is sent. */
  async #recover(): Promise<void> {
    const signal = this.#renew();
    for (let tries = 0; !signal.aborted; tries += 1) {
      this.retryIn = PAUSES[Math.min(tries, PAUSES.length - 1)] as number;
      this.#become("away");
      await this.#pause(this.retryIn * 1000);
      if (signal.aborted) return;
      try {
        await this.#load();
      } catch (error) {
        if (error instanceof Away) continue;
        if (!(error instanceof Refused && error.status === 404 && unsent.read(this.id))) return this.#fail(error);
      }
      return this.#recovered();
    }
  }

  async #recovered(): Promise<void> {
    const kept = unsent.read(this.id);
    const received = kept !== null && this.#userCount(this.record?.messages ?? []) > kept.before;
    if (kept !== null && !received) {
      this.messages = this.messages.filter((each) => !each.id.startsWith("new-"));
      return this.send(kept, { model: kept.model, api: kept.api });
    }
    unsent.write(this.id, null);
    if (this.record?.status === "running") return this.#follow();
    this.#become("idle");
    this.listener.turned();
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        removeEventListener("online", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      addEventListener("online", done);
      this.#wake = done;
    });
  }
}
