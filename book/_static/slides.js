/* Arrow keys, space and page keys turn the slides; Home and End go to the ends. */
const slides = [...document.querySelectorAll("section")];
const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };

addEventListener("keydown", (event) => {
  const now = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);
  let next = null;
  if (event.key in steps) next = now + steps[event.key];
  if (event.key === "Home") next = 0;
  if (event.key === "End") next = slides.length - 1;
  if (next === null || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  slides[Math.max(0, Math.min(next, slides.length - 1))].scrollIntoView();
});
