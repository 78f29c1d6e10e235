import { type ComponentType, Fragment, h } from "preact";

/** What compiled JSX calls. Preact's own has more for servers and for old habits, which a visitor would have to download. */
export const jsx = (type: ComponentType, props: object, key?: string) => h(type, key === undefined ? props : { ...props, key });

export { Fragment, jsx as jsxs };
