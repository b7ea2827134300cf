// Runs before the first paint: the theme that was chosen, and that scripts run.
"use strict";

document.documentElement.classList.add("has-script");
try {
  const theme = localStorage.getItem("mplstream-theme");
  if (theme === "dark" || theme === "light") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // The browser keeps nothing for this site.
}
