// Package systemd tells the service manager what a service of Type=notify has to tell:
// that it is ready, that it is stopping and how long that may take, and, for its
// watchdog, that it is alive. See sd_notify(3).
package systemd
