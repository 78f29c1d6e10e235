/** What the loader on the customer's page and the frame say to each other. Neither ever sends an address to load. */

export const EMBEDDING_VERSION = 1;

export interface Page {
  url: string;
  title: string;
  referrer: string;
}

/** Loader to frame: where the visitor is. */
export interface PageNote {
  velaro: typeof EMBEDDING_VERSION;
  type: "page";
  page: Page;
}

/** Frame to loader: whether the panel is open, and the room it wants. */
export interface SizeNote {
  velaro: typeof EMBEDDING_VERSION;
  type: "size";
  is_open: boolean;
  width: number;
  height: number;
}
