/** What the parts of the page ask of the page as a whole. */

import type { Decision } from "./chat";
import type { Message, Picture } from "./types";

export interface Actions {
  enlarge(picture: Picture, compare?: boolean): void;
  /** Attaches a picture to the next message. */
  reference(picture: Picture): void;
  retry(answer: Message): void;
  /** A new branch that begins with other words in the place of this message's. */
  edit(message: Message, text: string): void;
  decide(message: Message, call: string, decision: Decision): void;
  goOn(): void;
  drop(): void;
  /** Words for a screen reader. */
  announce(words: string): void;
  /** Words that are seen for some seconds. */
  notice(words: string): void;
  /** The picture of this conversation that has the handle. */
  picture(name: string): Picture | undefined;
}
