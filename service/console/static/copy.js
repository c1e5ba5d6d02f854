// A button that copies what a field shows. Without it the field is there to be copied from.

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = button.dataset.done;
    } catch {
      // The browser does not let pages copy: the text is ready for the person to do it.
      field.select();
    }
  });
}
