/** The classes of characters that markdown-it asks for, by the browser's own Unicode tables. */

export const P = /\p{P}/u;
export const S = /\p{S}/u;
