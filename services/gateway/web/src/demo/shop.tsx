import type { ComponentChildren } from "preact";

interface Product {
  name: string;
  detail: string;
  price: string;
  picture: ComponentChildren;
}

const PRODUCTS: readonly Product[] = [
  {
    name: "Breakfast mug",
    detail: "Speckled stoneware, holds 350 ml, fits a saucer that we also make.",
    price: "£24",
    picture: (
      <>
        <path class="clay-1" d="M62 62h66v50a22 22 0 0 1-22 22H84a22 22 0 0 1-22-22z" />
        <path class="line" d="M128 76h10a14 14 0 0 1 0 34h-10" />
        <path class="glaze" d="M62 62h66v14c-10 8-22 2-32 6s-24 4-34-2z" />
      </>
    ),
  },
  {
    name: "Serving bowl",
    detail: "Thrown in one piece, 28 cm across. Every one is a little different.",
    price: "£58",
    picture: (
      <>
        <path class="clay-2" d="M38 78h124c0 32-26 54-62 54S38 110 38 78z" />
        <path class="clay-1" d="M82 130h36v8H82z" />
        <path class="glaze" d="M38 78h124v7c-22 8-40 0-62 4s-42 4-62-4z" />
      </>
    ),
  },
  {
    name: "Bud vase",
    detail: "For one stem, or none. Matt glaze in chalk or slate.",
    price: "£32",
    picture: (
      <>
        <path class="leaf" d="M101 60c-2-18 6-30 20-36-2 16-8 28-20 36zM99 64c-10-6-16-16-16-28 10 6 16 16 16 28z" />
        <path class="clay-3" d="M92 62h16v22c14 8 22 18 22 30 0 16-12 24-30 24s-30-8-30-24c0-12 8-22 22-30z" />
        <path class="glaze" d="M92 62h16v20c-4 4-12 4-16 0z" />
      </>
    ),
  },
  {
    name: "Small plate",
    detail: "Stacks well, survives dishwashers, 18 cm. Sold singly or by the four.",
    price: "£19",
    picture: (
      <>
        <ellipse class="clay-1" cx="100" cy="92" rx="62" ry="42" />
        <ellipse class="glaze" cx="100" cy="90" rx="46" ry="30" />
        <ellipse class="clay-2" cx="100" cy="92" rx="30" ry="18" />
      </>
    ),
  },
];

/** A believable customer's site; the chat on it is the real thing. */
export function Shop() {
  return (
    <div class="shop">
      <header class="shop-head">
        <a class="shop-name" href="#top">
          Alder &amp; Wren
        </a>
        <nav aria-label="Shop">
          <a href="#shop">Shop</a>
          <a href="#studio">The studio</a>
          <a href="#delivery">Delivery</a>
        </nav>
      </header>
      <main id="top">
        <section class="hero">
          <h1>Pots for every day, made by two people in Leith</h1>
          <p>Stoneware thrown and glazed in small batches. We post on Tuesdays and Fridays, and we answer the chat ourselves.</p>
          <a class="shop-button" href="#shop">
            See what is on the shelf
          </a>
        </section>
        <section id="shop" aria-labelledby="shop-title">
          <h2 id="shop-title">On the shelf</h2>
          <ul class="products">
            {PRODUCTS.map((product) => (
              <ProductCard key={product.name} product={product} />
            ))}
          </ul>
        </section>
        <section id="studio" class="columns">
          <div>
            <h2>The studio</h2>
            <p>
              Unit 4, Coburg Lane, Edinburgh. Open Thursday to Saturday, 11 to 5. Ring twice: one of us has clay on both hands.
            </p>
          </div>
          <div id="delivery">
            <h2>Delivery and returns</h2>
            <p>£4.50 anywhere in the UK, free above £80. Broken on the way? Write to us with a photograph and we make you another.</p>
          </div>
          <div>
            <h2>A question?</h2>
            <p>Open the chat in the corner. If we are at the wheel, leave a message: we answer as soon as our hands are dry.</p>
          </div>
        </section>
      </main>
      <footer class="shop-foot">
        <p>Alder &amp; Wren is a made-up shop that shows how Velaro looks on a customer's site.</p>
      </footer>
    </div>
  );
}

function ProductCard({ product: { name, detail, price, picture } }: { product: Product }) {
  return (
    <li class="product">
      <svg viewBox="0 0 200 160" aria-hidden="true">
        {picture}
      </svg>
      <h3>{name}</h3>
      <p>{detail}</p>
      <p class="price">{price}</p>
    </li>
  );
}
