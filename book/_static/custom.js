/* Search summaries are fetched page by page, which a browser forbids in a site opened from a
   folder. The list of results works there without them. */
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

document.addEventListener("DOMContentLoaded", () => {
  /* Notebooks are plain Markdown: a correction is a block quote whose first words are bold. */
  for (const quote of document.querySelectorAll("article blockquote")) {
    const bold = quote.querySelector("p:first-child > strong:first-child");
    const start = bold ? bold.textContent.trim() : "";
    if (start.startsWith("Correction") && quote.textContent.trim().startsWith(start)) {
      quote.classList.add("correction");
    }
  }
});
