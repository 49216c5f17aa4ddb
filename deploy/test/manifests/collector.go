package manifests

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/flowpub/flowpub/internal/config"
)

// What the rules of docs/kubernetes.md add to the times and sizes that are set.
const (
	graceMargin     = 5 * time.Second
	lingerMargin    = 3 * time.Second
	memoryAllowance = 192 << 20
)

// checkCollector checks the pod that runs flowpub.
func (in *installation) checkCollector(w *workload) []string {
	var findings []string
	spec := &w.pod.Spec
	if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
		findings = append(findings, "service links: enableServiceLinks must be false, or Services look like settings")
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		findings = append(findings, "token: automountServiceAccountToken must be false")
	}
	c := &spec.Containers[0]
	if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
		findings = append(findings, "root file system: readOnlyRootFilesystem must be true")
	}
	findings = append(findings, checkProbes(c)...)
	cfg, err := settings(in.environment(c), c, spec)
	if err != nil {
		return append(findings, "environment: "+err.Error())
	}
	findings = append(findings, checkHTTP(spec, cfg)...)
	findings = append(findings, checkDrain(w, c, cfg)...)
	return append(findings, checkMemory(c, cfg)...)
}

// settings has the program itself read the environment. The files that it names must
// be mounted; they are not here, so that something else stands for them.
func settings(environment map[string]string, c *corev1.Container, spec *corev1.PodSpec) (config.Config, error) {
	var environ []string
	for name, value := range environment {
		if strings.HasSuffix(name, "_FILE") {
			if !mounted(value, c, spec) {
				return config.Config{}, fmt.Errorf("%s: no volume has %s", name, value)
			}
			name, value = standIn(name)
		}
		environ = append(environ, name+"="+value)
	}
	return config.Load(environ)
}

// standIn returns a variable that needs no file in place of one that does.
func standIn(name string) (variable, value string) {
	if variable, isPassword := strings.CutSuffix(name, "PASSWORD_FILE"); isPassword {
		return variable + "PASSWORD", "stands for the file"
	}
	return name, "" // nothing: the default
}

// mounted reports whether a volume brings the file.
func mounted(file string, c *corev1.Container, spec *corev1.PodSpec) bool {
	for _, mount := range c.VolumeMounts {
		key, below := strings.CutPrefix(file, mount.MountPath+"/")
		for i := range spec.Volumes {
			volume := &spec.Volumes[i]
			if !below || volume.Name != mount.Name || volume.Secret == nil {
				continue
			}
			for _, item := range volume.Secret.Items {
				if item.Path == key {
					return true
				}
			}
		}
	}
	return false
}

func checkProbes(c *corev1.Container) []string {
	var findings []string
	for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		path := "/livez"
		if name == "readiness" {
			path = "/readyz"
		}
		switch {
		case probe == nil || probe.HTTPGet == nil:
			findings = append(findings, name+" probe: there is none")
		case probe.HTTPGet.Path != path:
			findings = append(findings, fmt.Sprintf("%s probe: asks %s, not %s", name, probe.HTTPGet.Path, path))
		case !hasPort(c, probe.HTTPGet.Port, corev1.ProtocolTCP):
			findings = append(findings, fmt.Sprintf("%s probe: the container has no port %s", name, probe.HTTPGet.Port.String()))
		}
	}
	return findings
}

// checkHTTP compares where HTTP is with who may reach it: the network policy does not
// hold on the host network, and a probe asks the pod's address unless it says another.
func checkHTTP(spec *corev1.PodSpec, cfg config.Config) []string {
	host, _, err := net.SplitHostPort(cfg.Collector.HTTPListen)
	if err != nil {
		return []string{"HTTP: there is none, and so neither probes nor metrics"}
	}
	var findings []string
	listens, err := netip.ParseAddr(host)
	everywhere := err != nil || listens.IsUnspecified()
	if everywhere && spec.HostNetwork {
		findings = append(findings, fmt.Sprintf("HTTP: on the host network %q opens it on every address of the node", cfg.Collector.HTTPListen))
	}
	c := &spec.Containers[0]
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			continue
		}
		if asks := cmp.Or(probe.HTTPGet.Host, podAddress); !everywhere && asks != host {
			findings = append(findings, fmt.Sprintf("HTTP: a probe asks %s, and %q is not there", asks, cfg.Collector.HTTPListen))
		}
	}
	return findings
}

// hasPort reports whether the container has a port, by name or number. A protocol
// that is not said is TCP, here and there.
func hasPort(c *corev1.Container, port intstr.IntOrString, protocol corev1.Protocol) bool {
	for _, p := range c.Ports {
		named := port.Type == intstr.String && p.Name == port.StrVal
		numbered := port.Type == intstr.Int && p.ContainerPort == port.IntVal
		if (named || numbered) && cmp.Or(p.Protocol, corev1.ProtocolTCP) == cmp.Or(protocol, corev1.ProtocolTCP) {
			return true
		}
	}
	return false
}

// checkDrain does the sums of a shutdown.
func checkDrain(w *workload, c *corev1.Container, cfg config.Config) []string {
	var findings []string
	var preStop time.Duration
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Sleep != nil {
		preStop = time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	} else if !w.pod.Spec.HostNetwork {
		findings = append(findings, "preStop: a load balancer needs time to stop sending; there is no sleep")
	}
	need := preStop + cfg.Collector.DrainLinger + cfg.Collector.ShutdownTimeout + graceMargin
	var grace time.Duration
	if w.pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*w.pod.Spec.TerminationGracePeriodSeconds) * time.Second
	}
	if grace < need {
		findings = append(findings, fmt.Sprintf("grace: %v is less than preStop + linger + flush + %v = %v", grace, graceMargin, need))
	}
	if probe := c.ReadinessProbe; probe != nil {
		notReady := time.Duration(probe.PeriodSeconds*probe.FailureThreshold)*time.Second + lingerMargin
		if cfg.Collector.DrainLinger < notReady {
			findings = append(findings, fmt.Sprintf("linger: %v is less than period x failures + %v = %v", cfg.Collector.DrainLinger, lingerMargin, notReady))
		}
	}
	return findings
}

// checkMemory compares the limit with what the settings may come to use.
func checkMemory(c *corev1.Container, cfg config.Config) []string {
	need := int64(cfg.Collector.Publisher.BufferBytes) + 2*int64(cfg.Collector.ReceiveBuffer)*int64(len(cfg.Collector.Listen)) + memoryAllowance
	var findings []string
	if limit := c.Resources.Limits.Memory().Value(); limit < need {
		findings = append(findings, fmt.Sprintf("memory: the limit, %d MiB, is below buffer + 2 x receive buffers + 192 MiB = %d MiB", limit>>20, need>>20))
	}
	if c.Resources.Limits.Memory().Cmp(*c.Resources.Requests.Memory()) != 0 {
		findings = append(findings, "memory: request and limit differ, so that an outage of Kafka may find the node full")
	}
	if !c.Resources.Limits.Cpu().IsZero() {
		findings = append(findings, "CPU: a limit throttles, and a throttled collector loses datagrams")
	}
	return findings
}
