package manifests

import (
	"maps"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is what runs pods.
type workload struct {
	kind, name string
	selector   *metav1.LabelSelector
	pod        corev1.PodTemplateSpec
}

// collector reports whether the pods are flowpub's.
func (w *workload) collector() bool { return w.name == "flowpub" }

// installation is one rendered kustomization.
type installation struct {
	namespaces []*corev1.Namespace
	workloads  []*workload
	services   []*corev1.Service
	configs    map[string]*corev1.ConfigMap
	accounts   map[string]bool
	scalers    []*autoscalingv2.HorizontalPodAutoscaler
	budgets    []*policyv1.PodDisruptionBudget
	policies   []*networkingv1.NetworkPolicy
	monitors   []*monitoringv1.PodMonitor
	rules      []*monitoringv1.PrometheusRule
	strimzi    []*strimzi
	// foreign are the kinds that a cluster does not know before somebody defines them.
	foreign []string
}

// load renders and decodes a kustomization. A document that cannot be decoded is a
// finding.
func load(dir string) (*installation, []string, error) {
	documents, err := render(dir)
	if err != nil {
		return nil, nil, err
	}
	dec, err := decoder()
	if err != nil {
		return nil, nil, err
	}
	in := &installation{configs: make(map[string]*corev1.ConfigMap), accounts: make(map[string]bool)}
	var findings []string
	for _, document := range documents {
		object, err := decode(dec, document)
		if err != nil {
			findings = append(findings, err.Error())
			continue
		}
		in.add(object)
	}
	return in, findings, nil
}

func (in *installation) add(object any) {
	switch o := object.(type) {
	case *corev1.Namespace:
		in.namespaces = append(in.namespaces, o)
	case *appsv1.Deployment:
		in.workloads = append(in.workloads, &workload{"Deployment", o.Name, o.Spec.Selector, o.Spec.Template})
	case *appsv1.DaemonSet:
		in.workloads = append(in.workloads, &workload{"DaemonSet", o.Name, o.Spec.Selector, o.Spec.Template})
	case *corev1.Service:
		in.services = append(in.services, o)
	case *corev1.ConfigMap:
		in.configs[o.Name] = o
	case *corev1.ServiceAccount:
		in.accounts[o.Name] = true
	case *autoscalingv2.HorizontalPodAutoscaler:
		in.scalers = append(in.scalers, o)
	case *policyv1.PodDisruptionBudget:
		in.budgets = append(in.budgets, o)
	case *networkingv1.NetworkPolicy:
		in.policies = append(in.policies, o)
	case *monitoringv1.PodMonitor:
		in.monitors, in.foreign = append(in.monitors, o), append(in.foreign, o.Kind)
	case *monitoringv1.PrometheusRule:
		in.rules, in.foreign = append(in.rules, o), append(in.foreign, o.Kind)
	case *strimzi:
		in.strimzi, in.foreign = append(in.strimzi, o), append(in.foreign, o.Kind)
	}
}

// environment is what a container is told, from ConfigMaps and by itself.
func (in *installation) environment(c *corev1.Container) map[string]string {
	all := make(map[string]string)
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil && in.configs[from.ConfigMapRef.Name] != nil {
			maps.Copy(all, in.configs[from.ConfigMapRef.Name].Data)
		}
	}
	for _, variable := range c.Env {
		all[variable.Name] = value(variable, all)
	}
	return all
}

// podAddress stands for the address that a pod will have; on the host network it is
// the node's.
const podAddress = "192.0.2.10"

// value is what a container finds in a variable. set are those before it.
func value(variable corev1.EnvVar, set map[string]string) string {
	if from := variable.ValueFrom; from != nil && from.FieldRef != nil && from.FieldRef.FieldPath == "status.podIP" {
		return podAddress
	}
	text := variable.Value
	for name, value := range set {
		text = strings.ReplaceAll(text, "$("+name+")", value)
	}
	return text
}

// check returns everything that is wrong. privileged says that the restricted
// profile is given up on purpose.
func (in *installation) check(privileged bool) []string {
	findings := in.checkReferences()
	for _, w := range in.workloads {
		findings = append(findings, checkImages(w)...)
		if !privileged {
			findings = append(findings, checkSecurity(w)...)
		}
		if w.collector() {
			findings = append(findings, in.checkCollector(w)...)
		}
	}
	if !privileged {
		findings = append(findings, in.checkNamespaces()...)
	}
	return append(findings, in.checkQueries()...)
}
