// Package page tests the status page in a real Chromium: what it shows, how it looks in
// both themes and at all widths, that nothing a sender chose becomes markup, and that
// people who do not see it, or have no mouse, can use it. It is a module of its own, since it needs
// a browser and its protocol.
//
//	browser.go   Chromium without a screen
//	reports.go   reports that a collector may give
//	shots/       takes the pictures of the documentation
package page
