import "./demo.css";

import { h, render } from "preact";

import { Shop } from "./shop";

// The widget's script tag is in the page's HTML, where a customer would put it.
document.title = "Alder & Wren, pots for every day";
render(h(Shop, {}), document.getElementById("app") as HTMLElement);
