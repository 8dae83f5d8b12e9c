/** Money, times and sizes in words. */

/** The hours of the server less those of this computer, in milliseconds: a wrong clock here changes no date. */
let ahead = 0;

/** Learns the server's time from the `Date` header of a reply. */
export function learnClock(header: string | null): void {
  const told = header === null ? Number.NaN : Date.parse(header);
  if (!Number.isNaN(told)) {
    const found = told - Date.now();
    ahead = Math.abs(found) < 2000 ? 0 : found;
  }
}

export function now(): number {
  return Date.now() + ahead;
}

/** US dollars: two digits from a dollar on, four below, where a picture costs cents and a turn less. */
export function money(usd: number): string {
  if (usd === 0) return "$0";
  if (usd < 0.0001) return "< $0.0001";
  if (usd >= 1) return `$${usd.toFixed(2)}`;
  return `$${usd.toFixed(4).replace(/0{1,2}$/, "")}`;
}

export function seconds(value: number): string {
  if (value < 9.95) return `${value.toFixed(1)} s`;
  if (value < 59.5) return `${Math.round(value)} s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} bytes`;
  if (size < 1_000_000) return `${Math.round(size / 1000)} kB`;
  return `${(size / 1_000_000).toFixed(size < 10_000_000 ? 1 : 0)} MB`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

/** Milliseconds of a time that is told in seconds, in milliseconds or as ISO 8601; null if there is none. */
export function moment(told: number | string | null | undefined): number | null {
  if (told === null || told === undefined) return null;
  const value = typeof told === "string" ? Date.parse(told) : told < 1e11 ? told * 1000 : told;
  return Number.isFinite(value) ? value : null;
}

/** The heading in the list of conversations under which a time stands. */
export function day(time: number): string {
  const today = new Date(now());
  today.setHours(0, 0, 0, 0);
  const days = Math.ceil((today.getTime() - time) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days < 7) return "Last seven days";
  if (days < 31) return "Last thirty days";
  return new Date(time).toLocaleDateString("en-US", { month: "long", year: "numeric" });
}

// Characters that change how others are shown, or that show as nothing.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/** The text with its hidden characters named. Used where a person decides on what is read. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (found) => {
    const point = (found.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
    return `\u27e8U+${point}\u27e9`;
  });
}

/** A value as JSON to read, or the text itself. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value, null, 2) ?? "";
}

/** The words of a tool's or a model's name without the vendor before them. */
export function short(name: string): string {
  return name.replace(/^[^/:]+[/:]/, "");
}

/** A file name of the picture's handle and the first words of its prompt. */
export function fileName(name: string, words: string, mediaType: string): string {
  const kinds: Record<string, string> = { "image/jpeg": "jpg", "image/svg+xml": "svg" };
  const ending = kinds[mediaType] ?? /^image\/([a-z0-9]+)$/.exec(mediaType)?.[1] ?? "bin";
  const stem = words.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 48);
  return `${[name, stem].filter(Boolean).join("-") || "picture"}.${ending}`;
}
