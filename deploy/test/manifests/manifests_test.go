package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const kubernetes = "../../kubernetes"

// Every kustomization is right. The one that gives up the restricted profile is
// named here, so that no other can.
func TestKustomizations(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(kubernetes, "overlays"))
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{"base"}
	for _, entry := range entries {
		dirs = append(dirs, filepath.Join("overlays", entry.Name()))
	}
	if len(dirs) < 7 {
		t.Fatalf("only %d kustomizations were found", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			in, findings, err := load(filepath.Join(kubernetes, dir))
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range append(findings, in.check(dir == "overlays/hostnetwork")...) {
				t.Error(finding)
			}
			if w := in.collector(); w == nil {
				t.Error("there is no collector")
			}
			if len(in.foreign) > 0 {
				t.Errorf("a cluster without operators refuses %v", in.foreign)
			}
		})
	}
}

// collector returns the workload that runs flowpub.
func (in *installation) collector() *workload {
	for _, w := range in.workloads {
		if w.collector() {
			return w
		}
	}
	return nil
}

// Each fault is seeded alone into the base, which is right, and its finding must
// be told.
func TestFaults(t *testing.T) {
	t.Parallel()
	const unrelated = "app.kubernetes.io/name"
	env := func(name, value string) func(*installation, *corev1.PodSpec) {
		return func(_ *installation, p *corev1.PodSpec) {
			p.Containers[0].Env = append(p.Containers[0].Env, corev1.EnvVar{Name: name, Value: value})
		}
	}
	tests := []struct {
		name    string
		fault   func(*installation, *corev1.PodSpec)
		finding string
	}{
		{"policy Cluster", func(in *installation, _ *corev1.PodSpec) { in.services[0].Spec.ExternalTrafficPolicy = "Cluster" }, "externalTrafficPolicy"},
		{"no affinity", func(in *installation, _ *corev1.PodSpec) { in.services[0].Spec.SessionAffinity = "None" }, "sessionAffinity must be ClientIP"},
		{"affinity of 3 hours, the default", func(in *installation, _ *corev1.PodSpec) { in.services[0].Spec.SessionAffinityConfig = nil }, "timeoutSeconds must be 86400"},
		{"affinity too short", func(in *installation, _ *corev1.PodSpec) {
			*in.services[0].Spec.SessionAffinityConfig.ClientIP.TimeoutSeconds = 10800
		}, "timeoutSeconds must be 86400"},
		{"target port misspelt", func(in *installation, _ *corev1.PodSpec) {
			in.services[0].Spec.Ports[0].TargetPort = intstr.FromString("netflows")
		}, "no port netflows/UDP"},
		{"service selects nothing", func(in *installation, _ *corev1.PodSpec) { in.services[0].Spec.Selector[unrelated] = "x" }, "selects no pods"},
		{"budget selects nothing", func(in *installation, _ *corev1.PodSpec) { in.budgets[0].Spec.Selector.MatchLabels[unrelated] = "x" }, "selector of disruption budget"},
		{"network policy selects nothing", func(in *installation, _ *corev1.PodSpec) {
			in.policies[0].Spec.PodSelector.MatchLabels[unrelated] = "x"
		}, "selector of network policy"},
		{"autoscaler without target", func(in *installation, _ *corev1.PodSpec) { in.scalers[0].Spec.ScaleTargetRef.Name = "x" }, "autoscaler: there is no Deployment x"},
		{"scale to zero", func(in *installation, _ *corev1.PodSpec) { *in.scalers[0].Spec.MinReplicas = 0 }, "autoscaler: the least"},
		{"namespace not restricted", func(in *installation, _ *corev1.PodSpec) {
			in.namespaces[0].Labels["pod-security.kubernetes.io/enforce"] = "baseline"
		}, "does not enforce the restricted profile"},
		{"settings not rendered", func(_ *installation, p *corev1.PodSpec) { p.Containers[0].EnvFrom[0].ConfigMapRef.Name = "x" }, "has no ConfigMap x"},
		{"account not rendered", func(_ *installation, p *corev1.PodSpec) { p.ServiceAccountName = "x" }, "has no ServiceAccount x"},
		{"image without version", func(_ *installation, p *corev1.PodSpec) { p.Containers[0].Image = "registry:5000/flowpub" }, "not pinned"},
		{"runs as root", func(_ *installation, p *corev1.PodSpec) { *p.SecurityContext.RunAsUser = 0 }, "restricted profile"},
		{"privilege", func(_ *installation, p *corev1.PodSpec) {
			p.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"NET_ADMIN"}
		}, "restricted profile"},
		{"writable root", func(_ *installation, p *corev1.PodSpec) {
			*p.Containers[0].SecurityContext.ReadOnlyRootFilesystem = false
		}, "root file system"},
		{"service links", func(_ *installation, p *corev1.PodSpec) { *p.EnableServiceLinks = true }, "service links"},
		{"token", func(_ *installation, p *corev1.PodSpec) { *p.AutomountServiceAccountToken = true }, "token"},
		{"startup waits for Kafka", func(_ *installation, p *corev1.PodSpec) { p.Containers[0].StartupProbe.HTTPGet.Path = "/readyz" }, "startup probe: asks /readyz"},
		{"killed without Kafka", func(_ *installation, p *corev1.PodSpec) { p.Containers[0].LivenessProbe.HTTPGet.Path = "/readyz" }, "liveness probe: asks /readyz"},
		{"probe's port misspelt", func(_ *installation, p *corev1.PodSpec) {
			p.Containers[0].ReadinessProbe.HTTPGet.Port = intstr.FromString("web")
		}, "no port web"},
		{"HTTP open on the node", func(_ *installation, p *corev1.PodSpec) { p.HostNetwork = true }, "on every address of the node"},
		{"HTTP open on the node's IPv4 addresses", func(in *installation, p *corev1.PodSpec) {
			p.HostNetwork = true
			env("FLOWPUB_HTTP_LISTEN", "0.0.0.0:8080")(in, p)
		}, "on every address of the node"},
		{"HTTP where no probe asks", env("FLOWPUB_HTTP_LISTEN", "127.0.0.1:8080"), "a probe asks 192.0.2.10"},
		{"no HTTP", env("FLOWPUB_HTTP_LISTEN", ""), "neither probes nor metrics"},
		{"variable misspelt", env("FLOWPUB_DRAIN_LINGERS", "8s"), "FLOWPUB_DRAIN_LINGERS"},
		{"value wrong", env("FLOWPUB_RECEIVE_BUFFER", "32M"), "FLOWPUB_RECEIVE_BUFFER"},
		{"file not mounted", env("FLOWPUB_KAFKA_TLS_CA_FILE", "/etc/flowpub/ca.crt"), "no volume has"},
		{"no time for the load balancer", func(_ *installation, p *corev1.PodSpec) { p.Containers[0].Lifecycle = nil }, "preStop"},
		// 15 + 8 + 15 + 5 s is 43 s.
		{"grace too short", func(_ *installation, p *corev1.PodSpec) { *p.TerminationGracePeriodSeconds = 42 }, "grace: 42s"},
		// 2 s twice and 3 s is 7 s.
		{"linger too short", env("FLOWPUB_DRAIN_LINGER", "6s"), "linger: 6s"},
		// 256 + 2 x 32 + 192 MiB is 512 MiB.
		{"killed in an outage", func(_ *installation, p *corev1.PodSpec) {
			p.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("511Mi")
		}, "memory: the limit"},
		{"throttled", func(_ *installation, p *corev1.PodSpec) {
			p.Containers[0].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1")
		}, "CPU"},
		{"alert on a metric that is not there", rule("flowpub_flows_lost_total > 0"), "no metric flowpub_flows_lost_total"},
		{"alert on a reason that is not there", rule(`flowpub_flows_dropped_total{reason="full"} > 0`), "no flowpub_flows_dropped_total of the program matches"},
		{"alert that is no query", rule("rate(flowpub_ready[5m)"), "query of rule Seeded"},
		{"panel on a metric that is not there", func(in *installation, _ *corev1.PodSpec) {
			in.configs["x"] = &corev1.ConfigMap{Data: map[string]string{
				"x.json": `{"panels":[{"title":"row","panels":[{"title":"p","targets":[{"expr":"rate(flowpub_flow_total{pod=~\"$pod\"}[$__rate_interval])"}]}]}]}`,
			}}
		}, "no metric flowpub_flow_total"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in, findings, err := load(filepath.Join(kubernetes, "base"))
			if err != nil || len(findings) > 0 {
				t.Fatal(err, findings)
			}
			tt.fault(in, &in.collector().pod.Spec)
			found := in.check(false)
			if len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), tt.finding) {
				t.Errorf("found %q, want %q", found, tt.finding)
			}
		})
	}
}

// rule adds an alert.
func rule(query string) func(*installation, *corev1.PodSpec) {
	return func(in *installation, _ *corev1.PodSpec) {
		in.rules = append(in.rules, &monitoringv1.PrometheusRule{Spec: monitoringv1.PrometheusRuleSpec{
			Groups: []monitoringv1.RuleGroup{{Rules: []monitoringv1.Rule{{Alert: "Seeded", Expr: intstr.FromString(query)}}}},
		}})
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	dec, err := decoder()
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string]string{
		"Kubernetes": "apiVersion: v1\nkind: Service\nspec:\n  externalTrafficPolice: Local\n",
		"Strimzi":    "apiVersion: kafka.strimzi.io/v1\nkind: KafkaTopic\nspec:\n  partition: 3\n",
	} {
		if _, err := decode(dec, []byte(document)); err == nil {
			t.Errorf("%s: a field that is not there was accepted", name)
		}
	}
}
