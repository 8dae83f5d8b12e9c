/** The page as a whole: which conversation is shown, and what goes from one part to another. */

import type { Actions } from "./actions";
import { Chat } from "./chat";
import { Composer } from "./composer";
import type { Draft } from "./drafts";
import { short, visible } from "./format";
import { Gallery } from "./gallery";
import { Header } from "./header";
import { Refused, getJson, root, send } from "./http";
import { Lightbox } from "./lightbox";
import { picturesOf, textOf, waitingIn } from "./reduce";
import { Shell } from "./shell";
import { Sidebar } from "./sidebar";
import { Transcript } from "./transcript";
import type { About, ChatRecord, Message, Picture } from "./types";

class Page {
  #about: About = {};
  #chat: Chat;
  #pictures: Picture[] = [];
  #painted = false;
  #changedMessage: Message | null | undefined = undefined;
  readonly #actions: Actions = {
    enlarge: (picture, compare = false) => this.#lightbox.open(this.#pictures, picture, compare),
    reference: (picture) => {
      this.#composer.refer(picture);
      this.#shell.announce(`${picture.name ?? "The picture"} is attached to your next message.`);
    },
    retry: (answer) => {
      if (!this.#chat.busy) void this.#chat.retry(answer, this.#composer.choice());
    },
    edit: (message, text) => void this.#edit(message, text),
    decide: (message, call, decision) => void this.#chat.decide(message, call, decision),
    goOn: () => void this.#chat.goOn(),
    drop: () => void this.#chat.drop(),
    announce: (words) => this.#shell.announce(words),
    notice: (words) => this.#shell.notice(words),
    picture: (name) => this.#pictures.find((each) => each.name === name),
  };
  readonly #composer = new Composer({
    send: (draft, choice) => {
      this.#transcript.toEnd();
      const [waits] = waitingIn(this.#chat.messages.at(-1));
      if (waits) return this.#decideFirst(draft, short(waits.toolName));
      if (!this.#sidebar.hints.has(this.#chat.id)) this.#sidebar.hints.set(this.#chat.id, draft.text.slice(0, 80));
      void this.#chat.send(draft, choice);
    },
    stop: () => void this.#chat.stop(),
    notice: (words) => this.#shell.notice(words),
  });
  readonly #sidebar = new Sidebar({
    open: (id) => this.#go(id),
    begin: () => this.#go(null),
    renamed: (id, title) => {
      if (id === this.#chat.id && this.#chat.record) this.#chat.record.title = title;
      this.#changed(null);
    },
    deleted: (id) => {
      if (id === this.#chat.id) this.#go(null);
    },
    notice: (words) => this.#shell.notice(words),
  });
  readonly #header = new Header({
    open: (id) => this.#go(id),
    gallery: () => this.#showGallery(this.#gallery.element.hidden !== false),
    tryNow: () => this.#chat.tryNow(),
    begin: () => this.#go(null),
  });
  readonly #gallery = new Gallery(this.#actions, () => this.#showGallery(false));
  readonly #lightbox = new Lightbox(this.#actions);
  readonly #shell = new Shell(this.#sidebar, this.#header, this.#composer, this.#gallery, this.#lightbox, () =>
    this.#go(null),
  );
  readonly #transcript = new Transcript(this.#shell.scroller, this.#actions);

  constructor() {
    this.#shell.place(this.#transcript.element);
    this.#chat = this.#make(null);
    this.#composer.turn("new");
    addEventListener("hashchange", () => this.#fromAddress());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      void this.#chat.catchUp();
      void this.#sidebar.refresh();
    });
    addEventListener("pageshow", (event) => event.persisted && void this.#chat.catchUp());
    const drop = (files: File[]): void => void this.#composer.add(files);
    this.#shell.takeDrops(drop);
  }

  async start(): Promise<void> {
    this.#fromAddress();
    void this.#sidebar.refresh();
    try {
      this.#about = await getJson<About>("api/about");
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return this.#shell.signedOut(error.message);
      this.#shell.notice(error instanceof Error ? error.message : String(error));
    }
    this.#shell.setAbout(this.#about);
    this.#choices();
    this.#changed(null);
  }

  /** Asks again after a turn: a budget has less left, and the catalogue may be there by now. */
  async #learn(): Promise<void> {
    try {
      this.#about = await getJson<About>("api/about");
    } catch {
      // What was known stays; a server that went away is said where it is needed.
      return;
    }
    this.#choices();
    this.#changed(null);
  }

  #fromAddress(): void {
    const id = decodeURIComponent(location.hash.slice(1)) || null;
    if (id === null ? !this.#chat.fresh || this.#chat.messages.length > 0 : id !== this.#chat.id) this.#turn(id);
  }

  #go(id: string | null): void {
    history.pushState(null, "", id === null ? location.pathname : `#${encodeURIComponent(id)}`);
    this.#turn(id);
    this.#composer.focus();
  }

  #make(id: string | null): Chat {
    const own = id ?? newId();
    const chat: Chat = new Chat(
      own,
      {
        changed: (message) => {
          if (chat === this.#chat) this.#changed(message);
        },
        problem: (words, draft) => {
          if (draft) this.#composer.giveBack(draft);
          this.#shell.notice(words);
        },
        turned: () => {
          void this.#sidebar.refresh();
          if (chat === this.#chat && location.hash === "") {
            history.replaceState(null, "", `#${encodeURIComponent(chat.id)}`);
            this.#sidebar.mark(chat.id);
          }
          if (chat === this.#chat && !chat.busy) {
            this.#finished(chat);
            void this.#learn();
          }
        },
      },
      id === null,
    );
    return chat;
  }

  #turn(id: string | null): void {
    this.#chat.close();
    this.#chat = this.#make(id);
    this.#composer.turn(id ?? "new");
    this.#sidebar.mark(id ?? "");
    this.#shell.closeDrawer();
    this.#transcript.toEnd();
    this.#changed(null);
    if (id !== null) {
      const chat = this.#chat;
      void chat.open().then(() => {
        if (chat === this.#chat) this.#choices();
      });
    }
  }

  #choices(): void {
    this.#composer.setAbout(this.#about, { model: this.#chat.record?.model, api: this.#chat.record?.api });
  }

  /** Other words in the place of a prompt: what was before it goes on in a branch. */
  async #edit(message: Message, text: string): Promise<void> {
    if (this.#chat.busy) return;
    const files = message.parts.filter((part) => part.type === "file");
    try {
      const reply = await send("POST", `api/chat/${encodeURIComponent(this.#chat.id)}/fork`, { messageId: message.id });
      const { id } = (await reply.json()) as ChatRecord;
      const choice = this.#composer.choice();
      history.pushState(null, "", `#${encodeURIComponent(id)}`);
      this.#chat.close();
      this.#chat = this.#make(id);
      this.#composer.turn(id);
      await this.#chat.open();
      this.#transcript.toEnd();
      await this.#chat.send({ text, files }, choice);
    } catch (error) {
      this.#shell.notice(error instanceof Error ? error.message : String(error));
    }
  }

  /** A message cannot go while a call waits: it stays, and the call is shown. */
  #decideFirst(draft: Draft, tool: string): void {
    this.#composer.giveBack(draft);
    this.#shell.notice(`${visible(tool)} waits for your decision. Allow it or not, and then send your message.`);
    const card = document.querySelector<HTMLElement>(".approval");
    card?.scrollIntoView({ block: "center" });
    card?.focus({ preventScroll: true });
  }

  #showGallery(open: boolean): void {
    this.#gallery.element.hidden = !open;
    this.#header.galleryOpen(open);
    if (open) this.#gallery.element.querySelector("button")?.focus();
    this.#changed(null);
  }

  /** Paints at the next frame, however many chunks come until then; a hidden page has no frames. */
  #changed(message: Message | null): void {
    this.#changedMessage = this.#changedMessage === undefined || this.#changedMessage === message ? message : null;
    if (this.#painted) return;
    this.#painted = true;
    if (document.hidden) setTimeout(() => this.#paint(), 200);
    else requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    const changed = this.#changedMessage ?? null;
    this.#painted = false;
    this.#changedMessage = undefined;
    const chat = this.#chat;
    const { phase } = chat;
    const works = ["sending", "streaming", "stopping", "away"].includes(phase);
    this.#transcript.update(chat.messages, works, changed);
    this.#composer.setBusy(works, phase !== "streaming");
    this.#pictures = picturesOf(chat.messages);
    this.#gallery.update(this.#pictures);
    this.#header.update(chat, this.#about, this.#pictures.length, this.#sidebar.hints.get(chat.id) ?? "");
    this.#shell.empty(chat.messages.length === 0 && chat.phase !== "loading" && chat.phase !== "gone");
  }

  #finished(chat: Chat): void {
    const last = chat.messages.at(-1);
    if (last?.role !== "assistant") return;
    const pictures = picturesOf([last]);
    const waits = waitingIn(last).length > 0;
    const words = [
      waits ? "A call waits for your decision." : (last.error ?? "The answer is complete."),
      textOf(last).slice(0, 400),
      ...pictures.map((each) => `Picture ${each.name ?? ""}: ${each.alt || each.prompt || ""}`),
      ...last.parts.flatMap((each) => (each.type === "data-file" ? [`File ${each.data.filename ?? ""}`] : [])),
    ];
    this.#shell.announce(words.join(" "));
  }
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keepShell(): void {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return;
  const script = new URL("page/worker.js", root).href;
  const policy = window.trustedTypes?.createPolicy("agentkit-worker", {
    createScriptURL: (text) => (text === script ? text : ""),
  });
  const address = (policy?.createScriptURL(script) ?? script) as string;
  navigator.serviceWorker.register(address, { scope: root.pathname }).catch(() => undefined);
}

void new Page().start();
keepShell();

