// Filters what is on the page already: items within groups. Vietnamese marks and capitals do not matter.
"use strict";

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/đ/g, "d");
const words = (text) => plain(text).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
const spread = (text) => ` ${words(text).join(" ")}`; // a word is found by its beginning, behind a blank

const form = document.querySelector("form[role=search]");
if (form) {
  const groups = [...document.querySelectorAll("[data-group]")].map((element) => ({
    element,
    text: spread(element.querySelector("[data-words]").textContent),
    details: element.querySelector("details"),
    items: [...element.querySelectorAll("[data-item]")].map((item) => ({ item, text: spread(item.textContent) })),
  }));
  const sections = [...document.querySelectorAll("[data-section]")];
  const input = form.querySelector("input");
  const status = form.querySelector("[role=status]");

  const filter = () => {
    const wanted = words(input.value).map((word) => ` ${word}`);
    let count = 0;
    for (const group of groups) {
      const missing = wanted.filter((word) => !group.text.includes(word)); // these an item must have
      let found = 0;
      for (const { item, text } of group.items) {
        const isFound = missing.every((word) => text.includes(word));
        item.hidden = !isFound;
        found += isFound;
      }
      group.element.hidden = !found;
      if (group.details) group.details.open = found > 0 && missing.length > 0;
      count += found;
    }
    for (const section of sections) section.hidden = !section.querySelector("[data-group]:not([hidden])");
    status.textContent = wanted.length ? `{% if languages|length == 1 %}${count} {{ one("cột", "columns") }}{% else %}${count} cột · ${count} columns{% endif %}` : "";
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", filter);
  form.hidden = false;
  filter(); // a browser that goes back fills the field in again
}
