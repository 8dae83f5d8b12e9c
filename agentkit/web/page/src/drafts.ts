/** What was written and not sent, kept in this browser, so that a reload loses nothing. */

import type { FilePart } from "./types";

export interface Draft {
  text: string;
  files: Attached[];
}

/** A picture or file that the server has, and that goes with the next message. */
export interface Attached extends FilePart {
  size?: number;
  pages?: number | null;
  /** Its handle, where it is a picture of this conversation. */
  name?: string;
}

/** A message that was sent and perhaps not received. `before`: the messages of the user that were there. */
export interface Unsent extends Draft {
  before: number;
  model?: string;
  api?: string;
}

const PREFIX = `agentkit ${new URL("..", import.meta.url).pathname} `;

function read<Kept>(key: string): Kept | null {
  try {
    const text = localStorage.getItem(PREFIX + key);
    return text === null ? null : (JSON.parse(text) as Kept);
  } catch {
    return null;
  }
}

/** Returns whether it could be kept: a browser has room for some megabytes, or for nothing in private windows. */
function write(key: string, value: unknown): boolean {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export const drafts = {
  read: (chat: string): Draft => {
    const kept = read<Partial<Draft>>(`draft ${chat}`);
    return { text: kept?.text ?? "", files: kept?.files ?? [] };
  },
  write: (chat: string, draft: Draft): boolean =>
    write(`draft ${chat}`, draft.text || draft.files.length > 0 ? draft : null),
};

export const unsent = {
  read: (chat: string): Unsent | null => read<Unsent>(`unsent ${chat}`),
  write: (chat: string, message: Unsent | null): boolean => write(`unsent ${chat}`, message),
};

export const settings = {
  read: (name: string): string | null => read<string>(`setting ${name}`),
  write: (name: string, value: string | null): boolean => write(`setting ${name}`, value),
};
