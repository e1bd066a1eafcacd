/* The order of what the search finds: glossary and chapters before the lists of evidence. */
var Scorer = {
  score: ([page, title, anchor, text, score]) =>
    page.startsWith("book/generated/") ? score - 12 : score,
  objNameMatch: 20, // a term of the glossary
  objPartialMatch: 8,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
