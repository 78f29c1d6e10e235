import { beforeEach, describe, expect, it, vi } from "vitest";

import { embed, isSizeNote } from "../src/loader/embed";
import { Host } from "../src/widget/host";

const CHAT = "https://chat.example.com";
const SHOP = "https://shop.example.org";

function script(attributes: Record<string, string> = { "data-site": "KEY" }): HTMLScriptElement {
  const element = document.createElement("script");
  for (const name in attributes) element.setAttribute(name, attributes[name] as string);
  Object.defineProperty(element, "src", { value: `${CHAT}/widget/v1/loader.js` });
  return element;
}

const sized = (part: object = {}) => ({ velaro: 1, type: "size", is_open: true, width: 400, height: 640, ...part });
const important = (frame: HTMLIFrameElement, name: string) => frame.style.getPropertyValue(name);

function hear(data: unknown, { origin = CHAT, source }: { origin?: string; source?: unknown }): void {
  const event = new MessageEvent("message", { data, origin });
  Object.defineProperty(event, "source", { value: source });
  window.dispatchEvent(event);
}

const createElement = document.createElement.bind(document);

/** Frames get a blank document of their own, so that the test's browser loads nothing. */
beforeEach(() => {
  vi.spyOn(document, "createElement").mockImplementation((name: string) => {
    const element = createElement(name);
    if (name === "iframe") element.setAttribute("srcdoc", "");
    return element;
  });
});

describe("the loader", () => {
  let frame: HTMLIFrameElement;
  let inside: { postMessage: ReturnType<typeof vi.fn> };

  beforeEach(() => {
    document.body.innerHTML = "";
    localStorage.clear();
    sessionStorage.clear();
    frame = embed(script(), window) as HTMLIFrameElement;
    inside = { postMessage: vi.fn() };
    Object.defineProperty(frame, "contentWindow", { value: inside });
  });

  it("creates one titled frame from its own origin, out of the page's flow and small", () => {
    expect(frame.src).toBe(`${CHAT}/widget/v1/frame?site=KEY`);
    expect(frame.title).not.toBe("");
    expect(important(frame, "position")).toBe("fixed");
    expect(important(frame, "width")).toBe("76px");
    expect(embed(script(), window)).toBeNull();
    expect(document.querySelectorAll("iframe")).toHaveLength(1);
  });

  it("does nothing without a site key", () => {
    document.body.innerHTML = "";
    expect(embed(script({}), window)).toBeNull();
  });

  it("does not let a site key reach beyond its parameter", () => {
    document.body.innerHTML = "";
    expect(embed(script({ "data-site": "a&b=c#/../" }), window)?.src).toBe(`${CHAT}/widget/v1/frame?site=a%26b%3Dc%23%2F..%2F`);
  });

  it("stores nothing", () => {
    hear(sized(), { source: inside });
    expect([localStorage.length, sessionStorage.length, document.cookie]).toEqual([0, 0, ""]);
  });

  it("gives the frame the room it asks for, and the page it is on", () => {
    hear(sized(), { source: inside });
    expect(important(frame, "width")).toBe("400px");
    expect(important(frame, "height")).toBe("640px");
    const [note, target] = inside.postMessage.mock.calls.at(-1) as [{ type: string; page: { url: string } }, string];
    expect(target).toBe(CHAT);
    expect(note.type).toBe("page");
    expect(note.page.url).not.toContain("#");
  });

  it("listens to nobody else", () => {
    hear(sized(), { source: inside, origin: "https://evil.example" });
    hear(sized(), { source: window });
    hear(sized({ width: 1e6 }), { source: inside });
    expect(important(frame, "width")).toBe("76px");
    expect(inside.postMessage).not.toHaveBeenCalled();
  });

  it.each([null, "size", 1, {}, sized({ velaro: 2 }), sized({ type: "open" }), sized({ is_open: 1 }), sized({ width: "400" }), sized({ height: -1 }), sized({ height: NaN })])(
    "takes %o for no size",
    (data) => expect(isSizeNote(data)).toBe(false),
  );

  it("fills a small screen when open", () => {
    vi.stubGlobal("innerWidth", 390);
    hear(sized(), { source: inside });
    expect(important(frame, "width")).toBe("100%");
    hear(sized({ is_open: false, width: 76, height: 76 }), { source: inside });
    expect(important(frame, "width")).toBe("76px");
    vi.unstubAllGlobals();
  });
});

describe("the frame's side", () => {
  const page = { url: `${SHOP}/bowls`, title: "Bowls", referrer: "" };
  const paged = (part: object = {}) => ({ velaro: 1, type: "page", page, ...part });

  function framed(referrer: string) {
    const parent = { postMessage: vi.fn() };
    let listener: (event: object) => void = () => undefined;
    const window = {
      parent,
      location: { origin: CHAT },
      document: { referrer },
      addEventListener: (_type: string, heard: (event: object) => void) => {
        listener = heard;
      },
    };
    const host = new Host(window as unknown as Window);
    return { host, parent, hear: (data: unknown, origin = SHOP, source: unknown = parent) => listener({ data, origin, source }) };
  }

  it("tells its size to the origin that embeds it, and to no other", () => {
    const { host, parent } = framed(`${SHOP}/`);
    host.resize(true);
    expect(parent.postMessage).toHaveBeenCalledWith(expect.objectContaining({ type: "size", is_open: true }), SHOP);
  });

  it("waits for the page to speak first when it does not know who embeds it", () => {
    const { host, parent, hear } = framed("");
    host.resize(false);
    expect(parent.postMessage).not.toHaveBeenCalled();
    hear(paged());
    expect(parent.postMessage).toHaveBeenCalledWith(expect.objectContaining({ is_open: false }), SHOP);
  });

  it("learns the page from its parent alone", () => {
    const { host, hear } = framed(`${SHOP}/`);
    hear(paged(), SHOP, {});
    hear(paged(), "https://evil.example");
    hear(paged({ page: { url: 1 } }));
    hear(paged({ page: { ...page, url: "x".repeat(5_000) } }));
    expect(host.currentPage.url).toBe(`${SHOP}/`);
    hear(paged());
    expect(host.currentPage).toEqual(page);
  });
});
