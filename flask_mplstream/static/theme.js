// Runs before the first paint: applies the chosen theme and marks that scripts run.
"use strict";

document.documentElement.classList.add("has-script");
try {
  const theme = localStorage.getItem("mplstream-theme");
  if (theme === "dark" || theme === "light") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // The browser blocks storage for this site.
}
