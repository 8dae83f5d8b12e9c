/** Where a message is written: its words, its pictures and files, and the model that is asked. */

import type { Choice } from "./chat";
import { type Attached, type Draft, drafts, settings } from "./drafts";
import { button, h, icon, iconButton, replace } from "./dom";
import { bytes, count, money, short, visible } from "./format";
import { Away, own, request } from "./http";
import { canShow, factsOf } from "./picture";
import type { About, ModelOffer, Picture, Uploaded } from "./types";

const MOST_FILES = 16;
const MIB = 1024 * 1024;

/** A longer text is a chip: a browser takes seconds to lay out a megabyte in a text area. */
const LONGEST = 20_000;

interface Chip {
  name: string;
  /** A text that was pasted, in the place of a file. */
  text?: string;
  local: string | null;
  done: Attached | null;
  failed: string | null;
  file: File | null;
}

export interface ComposerEvents {
  send(draft: Draft, choice: Choice): void;
  stop(): void;
  notice(words: string): void;
}

export class Composer {
  readonly element = h("form", { class: "composer", "aria-label": "Message" });
  readonly #input = h("textarea", {
    rows: "1",
    dir: "auto",
    placeholder: "Ask, or describe a picture",
    "aria-label": "Message",
    autocomplete: "off",
    enterkeyhint: "send",
  });
  readonly #chips = h("ul", { class: "chips", "aria-label": "Attached files" });
  readonly #hint = h("p", { class: "composer-hint", role: "status" });
  readonly #sendButton = iconButton("send", "Send", () => this.#submit(), { class: "send" });
  readonly #stopButton = iconButton("stop", "Stop the answer", () => this.events.stop(), { class: "send stop" });
  readonly #picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1" });
  readonly #choices = h("div", { class: "choices" });
  #attached: Chip[] = [];
  #chat = "";
  #about: About = {};
  #busy = false;
  #offered = "";
  #timer = 0;

  constructor(private readonly events: ComposerEvents) {
    this.#picker.addEventListener("change", () => {
      void this.add([...(this.#picker.files ?? [])]);
      this.#picker.value = "";
    });
    this.element.addEventListener("submit", (event) => event.preventDefault());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("paste", (event) => this.#paste(event));
    addEventListener("pagehide", () => this.#keep());
    const attach = iconButton("clip", "Attach files", () => this.#picker.click());
    this.element.append(
      this.#chips,
      this.#input,
      h("div", { class: "composer-row" }, attach, this.#choices, this.#hint, this.#sendButton, this.#stopButton),
      this.#picker,
    );
    this.#show();
  }

  focus(): void {
    // A keyboard that comes up by itself covers half a phone.
    if (!matchMedia("(pointer: coarse)").matches) this.#input.focus();
  }

  /** Turns to another conversation, whose unsent message appears. */
  turn(chat: string): void {
    this.#keep();
    this.#chat = chat;
    this.#put(drafts.read(chat));
  }

  /** Shows a draft, in front of what was written in the meantime. */
  giveBack(draft: Draft): void {
    const now = this.#draft().text;
    this.#put({
      text: now && now !== draft.text ? `${draft.text}\n\n${now}` : draft.text,
      files: [...draft.files, ...this.#attached.flatMap(({ done }) => (done ? [done] : []))],
    });
    this.#keep();
  }

  setBusy(busy: boolean, stopping: boolean): void {
    this.#busy = busy;
    this.#stopButton.disabled = stopping;
    this.#show();
  }

  setAbout(about: About, used: { model?: string | null; api?: string | null }): void {
    this.#about = about;
    const state = JSON.stringify([about.models, about.model, about.apis, about.api, about.pictureUsd, used]);
    // A list that somebody has open is not made anew for nothing.
    if (state === this.#offered) return;
    this.#offered = state;
    const offers = (about.models ?? []).map((each): ModelOffer => (typeof each === "string" ? { id: each } : each));
    const model = settings.read("model") ?? used.model ?? about.model ?? "";
    if (about.model && !offers.some(({ id }) => id === about.model)) offers.unshift({ id: about.model });
    const models = offers.map(({ id, name, priceUsdPerImage: price }) => ({
      value: id,
      text: `${name || short(id)}${price ? ` · ${money(price)} a picture` : ""}`,
    }));
    const apis = (about.apis ?? []).map((each) => ({ value: each, text: each === "chat" ? "Chat API" : "Responses API" }));
    replace(
      this.#choices,
      this.#select("model", "Model", models, model),
      this.#select("api", "API", apis, settings.read("api") ?? used.api ?? about.api ?? ""),
      about.pictureUsd
        ? h("span", { class: "choice-only picture-price", title: "What a picture costs at most" }, `≤ ${money(about.pictureUsd)} a picture`)
        : null,
    );
  }

  /** The model and the API that were chosen, where there was a choice. */
  choice(): Choice {
    const chosen: Choice = {};
    for (const select of this.#choices.querySelectorAll("select")) {
      if (select.value) chosen[select.name as keyof Choice] = select.value;
    }
    return chosen;
  }

  refer(picture: Picture): void {
    const { url, mediaType, name, size } = picture;
    if (!url || !mediaType || this.#attached.some(({ done }) => done?.url === url)) return;
    this.#attached.push({
      name: name || "picture",
      local: null,
      done: { type: "file", url, mediaType, name, size },
      failed: null,
      file: null,
    });
    this.#changed();
    this.#input.focus();
  }

  /** Takes files that were dropped, pasted or picked. Each that cannot be taken is named, and why. */
  async add(files: File[]): Promise<void> {
    const refused: string[] = [];
    const taken: File[] = [];
    for (const file of files) {
      const most = isPicture(file) ? 20 * MIB : (this.#about.maxFileBytes ?? 100 * MIB);
      if (file.size === 0) refused.push(`${file.name} is empty`);
      else if (file.size > most) refused.push(`${file.name} has ${bytes(file.size)}, more than ${bytes(most)}`);
      else taken.push(file);
    }
    const room = Math.max(0, MOST_FILES - this.#attached.length);
    const words = refused.slice(0, 3);
    if (refused.length > 3) words.push(`and ${count(refused.length - 3, "more file")} of ${files.length}`);
    if (taken.length > room) {
      words.push(`a message takes ${MOST_FILES} files: ${taken.length - room} of ${taken.length} were left out`);
    }
    if (words.length > 0) this.events.notice(`${words.join("; ")}.`);
    const chips = taken.slice(0, room).map((file): Chip => ({
      name: file.name || "file",
      local: /png|jpeg|webp|gif|avif/.test(file.type) ? URL.createObjectURL(file) : null,
      done: null,
      failed: null,
      file,
    }));
    this.#attached.push(...chips);
    this.#show();
    // One after the other: a connection is left for the answer.
    for (const chip of chips) await this.#upload(chip);
  }

  async #upload(chip: Chip): Promise<void> {
    const { file } = chip;
    if (file === null) return;
    chip.failed = null;
    try {
      const kind = isPicture(file) ? file.type || "image/*" : "application/octet-stream";
      const path = isPicture(file) ? "api/images" : `api/files?name=${encodeURIComponent(file.name)}`;
      const reply = await request(path, { method: "POST", headers: { "content-type": kind }, body: file });
      const { url, mediaType, size, pages, filename = file.name } = (await reply.json()) as Uploaded;
      chip.done = { type: "file", url, mediaType, filename, size, pages };
      chip.name = filename;
      chip.file = null;
    } catch (error) {
      chip.failed = error instanceof Error ? error.message : String(error);
      if (!(error instanceof Away)) {
        this.#attached = this.#attached.filter((each) => each !== chip);
        this.events.notice(`${chip.name}: ${chip.failed}`);
      }
    }
    this.#changed();
  }

  #put(draft: Draft): void {
    this.#attached.forEach(({ local }) => local && URL.revokeObjectURL(local));
    const long = draft.text.length > LONGEST;
    this.#input.value = long ? "" : draft.text;
    this.#attached = draft.files.map((done) => ({
      name: done.name || done.filename || "picture",
      local: null,
      done,
      failed: null,
      file: null,
    }));
    if (long) this.#attached.unshift(textChip(draft.text));
    this.#show();
  }

  #draft(): Draft {
    const texts = [this.#input.value, ...this.#attached.map(({ text }) => text ?? "")];
    return {
      text: texts.map((each) => each.trim()).filter(Boolean).join("\n\n"),
      files: this.#attached.flatMap(({ done }) => (done ? [done] : [])),
    };
  }

  #keep(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.#chat) return;
    const draft = this.#draft();
    const kept = drafts.write(this.#chat, this.#attached.some(({ text }) => text) ? draft : { ...draft, text: this.#input.value });
    if (!kept) this.#hint.textContent = "Too long for this browser to keep: a reload would lose it.";
  }

  #changed(): void {
    this.#timer ||= window.setTimeout(() => this.#keep(), 250);
    this.#show();
  }

  #submit(): void {
    if (this.#busy) return;
    const waits = this.#attached.find(({ done, text }) => done === null && text === undefined);
    if (waits) {
      this.#hint.textContent = waits.failed ? `${waits.name} was not received yet.` : `${waits.name} is still on its way.`;
      if (waits.failed) void this.#upload(waits);
      return;
    }
    const draft = this.#draft();
    if (!draft.text && draft.files.length === 0) return;
    this.#put({ text: "", files: [] });
    this.#keep();
    this.events.send(draft, this.choice());
  }

  #key(event: KeyboardEvent): void {
    // While a word is being composed (Japanese, Chinese, Korean), Enter ends the word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    this.#submit();
  }

  #paste(event: ClipboardEvent): void {
    const files = [...(event.clipboardData?.files ?? [])];
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (files.length === 0 && text.length <= LONGEST) return;
    event.preventDefault();
    if (files.length > 0) return void this.add(files);
    this.#attached.push(textChip(text));
    this.#changed();
  }

  #show(): void {
    const { length } = this.#input.value;
    const empty = length === 0 && this.#attached.length === 0;
    this.#sendButton.disabled = empty;
    this.#sendButton.hidden = this.#busy;
    this.#stopButton.hidden = !this.#busy;
    this.#input.classList.toggle("long", length > 5000);
    this.#hint.textContent = length > LONGEST ? `${length.toLocaleString("en-US")} characters` : "";
    if (!CSS.supports("field-sizing", "content") && length < LONGEST) {
      this.#input.style.height = "auto";
      this.#input.style.height = `${this.#input.scrollHeight}px`;
    }
    this.#chips.hidden = this.#attached.length === 0;
    replace(this.#chips, ...this.#attached.map((chip) => this.#chip(chip)));
  }

  #chip(chip: Chip): HTMLElement {
    const { done } = chip;
    const from = chip.local ?? (done && canShow(done) ? own(done.url) : null);
    const image = from ? h("img", { src: chip.local ? from : `${from}?w=320`, alt: "" }) : icon("file");
    const state = chip.failed ? "failed" : (done ?? chip.text) ? "done" : "going";
    const remove = (): void => {
      this.#attached = this.#attached.filter((each) => each !== chip);
      if (chip.local) URL.revokeObjectURL(chip.local);
      this.#changed();
    };
    const title = chip.failed ? `${chip.name}: ${chip.failed}` : chip.name;
    return h(
      "li",
      { class: `chip ${state}`, title },
      image,
      h("span", { class: "chip-name", dir: "auto" }, visible(chip.name)),
      done && !from ? h("span", { class: "muted" }, factsOf(done)) : null,
      chip.failed ? button("Try again", () => void this.#upload(chip), { class: "button quiet" }) : null,
      iconButton("close", `Remove ${chip.name}`, remove),
    );
  }

  #select(name: string, label: string, offers: { value: string; text: string }[], value: string): Node | null {
    if (offers.length < 2) return offers[0] ? h("span", { class: "choice-only" }, offers[0].text) : null;
    const select = h(
      "select",
      { name, "aria-label": label, title: label },
      ...offers.map((offer) => h("option", { value: offer.value }, offer.text)),
    );
    select.value = offers.some((offer) => offer.value === value) ? value : (offers[0]?.value ?? "");
    select.addEventListener("change", () => settings.write(name, select.value));
    return select;
  }
}

/** Whether it goes to the server as a picture. An SVG is text to a model; a browser may not know HEIC. */
function isPicture({ name, type }: File): boolean {
  return /^image\/(?!svg)/.test(type) || (type === "" && /\.(heic|heif|avif)$/i.test(name));
}

function textChip(text: string): Chip {
  const name = `Text of ${text.length.toLocaleString("en-US")} characters`;
  return { name, text, local: null, done: null, failed: null, file: null };
}
