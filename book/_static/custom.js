/* Search summaries are fetched page by page, which a browser forbids in a site opened from a
   folder. The list of results works there without them. */
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
/* Excerpts of what was found: from the text, without the menus, code and formulas around it. */
function textOnly(html, anchor) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const drop = ".headerlink, .feedback, .row-link, .run-box, .stand-in, .cell, .math, script, style";
  page.querySelectorAll(drop).forEach((one) => one.remove());
  const part = anchor ? page.getElementById(anchor.replace(/^#/, "")) : null;
  return (part || page.querySelector("article.bd-article") || page.body).textContent;
}

function reveal(element) {
  for (let one = element; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  element.scrollIntoView({ block: "center" });
}

/* What the address names may lie in a fold, or be one. */
function openTarget() {
  if (location.hash.length < 2) return;
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !target.closest("details:not([open])")) return;
  reveal(target);
  if (target.tagName === "DETAILS") target.scrollIntoView();
}

/* Go to the section with the most of the words, the first of several. */
function showFound() {
  const marks = [...document.querySelectorAll("article.bd-article .highlighted")];
  if (!marks.length || location.hash) return;
  const count = new Map();
  for (const mark of marks) {
    const section = mark.closest("section");
    const words = count.get(section) || { first: mark, different: new Set(), title: 0, all: 0 };
    words.different.add(mark.textContent.toLowerCase());
    words.title += mark.closest("h2, h3") ? 1 : 0;
    words.all += 1;
    count.set(section, words);
  }
  const worth = (one) => 100 * one.different.size + 40 * one.title + Math.min(one.all, 30);
  reveal([...count.values()].reduce((a, b) => (worth(b) > worth(a) ? b : a)).first);
}

/* A figure in its full size, over the page. */
function enlarge(image) {
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  const copy = image.cloneNode();
  copy.removeAttribute("tabindex");
  const close = document.createElement("button");
  close.textContent = "Close";
  dialog.append(copy, close);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search !== "undefined") Search.htmlToText = textOnly;
  /* Notebooks are plain Markdown: a correction is a block quote whose first words are bold. */
  for (const quote of document.querySelectorAll("article blockquote")) {
    const bold = quote.querySelector("p:first-child > strong:first-child");
    const start = bold ? bold.textContent.trim() : "";
    if (start.startsWith("Correction") && quote.textContent.trim().startsWith(start)) {
      quote.classList.add("correction");
    }
  }
  for (const image of document.querySelectorAll("div.cell_output img")) {
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    image.addEventListener("click", () => enlarge(image));
    image.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        enlarge(image);
      }
    });
  }
  /* On a phone the rows of a wide table become cards; each value needs the name of its column. */
  for (const table of document.querySelectorAll("article table.table")) {
    const names = [...table.querySelectorAll("thead th")].map((one) => one.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].forEach((cell, index) => {
        if (names[index]) cell.dataset.label = names[index];
      });
    }
    const box = table.parentElement;
    if (innerWidth <= 576 && box.scrollWidth > box.clientWidth + 1) table.classList.add("cards");
  }
  setTimeout(showFound, 300); // Sphinx has marked the words searched for by then
  openTarget();
  addEventListener("hashchange", openTarget);
  /* A press on the letter that the address names already changes nothing there. */
  for (const link of document.querySelectorAll(".letters a")) {
    link.addEventListener("click", () => setTimeout(openTarget));
  }
});

/* On paper answers and solutions are open. */
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("article details:not([open])")];
  opened.forEach((one) => { one.open = true; });
});
addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
