package manifests

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// checkReferences checks that whatever names something names what is there.
func (in *installation) checkReferences() []string {
	var findings []string
	for _, w := range in.workloads {
		findings = append(findings, in.checkNames(w)...)
		if !selects(w.selector, w) {
			findings = append(findings, fmt.Sprintf("selector of %s %s: does not match its own pods", w.kind, w.name))
		}
	}
	for _, s := range in.services {
		findings = append(findings, in.checkService(s)...)
	}
	for _, s := range in.scalers {
		target := s.Spec.ScaleTargetRef
		if in.find(target.Kind, target.Name) == nil {
			findings = append(findings, fmt.Sprintf("autoscaler: there is no %s %s", target.Kind, target.Name))
		}
		if s.Spec.MinReplicas == nil || *s.Spec.MinReplicas < 1 || *s.Spec.MinReplicas > s.Spec.MaxReplicas {
			findings = append(findings, "autoscaler: the least number of replicas must be from 1 to the most")
		}
	}
	return append(findings, in.checkSelectors()...)
}

// checkSelectors checks what must select the collector's pods.
func (in *installation) checkSelectors() []string {
	selectors := make(map[string]*metav1.LabelSelector)
	for _, b := range in.budgets {
		selectors["disruption budget "+b.Name] = b.Spec.Selector
	}
	for _, p := range in.policies {
		selectors["network policy "+p.Name] = &p.Spec.PodSelector
	}
	for _, m := range in.monitors {
		selectors["pod monitor "+m.Name] = &m.Spec.Selector
	}
	var findings []string
	for name, selector := range selectors {
		for _, w := range in.workloads {
			if w.collector() && !selects(selector, w) {
				findings = append(findings, "selector of "+name+": does not match the collector's pods")
			}
		}
	}
	return findings
}

func (in *installation) find(kind, name string) *workload {
	for _, w := range in.workloads {
		if w.kind == kind && w.name == name {
			return w
		}
	}
	return nil
}

func selects(selector *metav1.LabelSelector, w *workload) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && !s.Empty() && s.Matches(labels.Set(w.pod.Labels))
}

// checkNames checks the account and the ConfigMaps of pods.
func (in *installation) checkNames(w *workload) []string {
	var findings []string
	if account := w.pod.Spec.ServiceAccountName; account != "" && !in.accounts[account] {
		findings = append(findings, fmt.Sprintf("account: %s %s has no ServiceAccount %s", w.kind, w.name, account))
	}
	for i := range w.pod.Spec.Containers {
		for _, from := range w.pod.Spec.Containers[i].EnvFrom {
			if from.ConfigMapRef != nil && in.configs[from.ConfigMapRef.Name] == nil {
				findings = append(findings, fmt.Sprintf("settings: %s %s has no ConfigMap %s", w.kind, w.name, from.ConfigMapRef.Name))
			}
		}
	}
	return findings
}

// checkService checks that a Service reaches pods, and that UDP keeps its source.
func (in *installation) checkService(s *corev1.Service) []string {
	var findings []string
	selected := false
	for _, w := range in.workloads {
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(w.pod.Labels)) {
			continue
		}
		selected = true
		for _, p := range s.Spec.Ports {
			if !hasPort(&w.pod.Spec.Containers[0], p.TargetPort, p.Protocol) {
				findings = append(findings, fmt.Sprintf("service %s: the container has no port %s/%s", s.Name, p.TargetPort.String(), p.Protocol))
			}
		}
	}
	if !selected {
		findings = append(findings, fmt.Sprintf("service %s: selects no pods", s.Name))
	}
	for _, p := range s.Spec.Ports {
		if p.Protocol == corev1.ProtocolUDP {
			return append(findings, checkUDP(s)...)
		}
	}
	return findings
}

// mostAffinity is the longest that the API server accepts.
const mostAffinity = 86400

// checkUDP checks what a Service needs that exporters send to.
func checkUDP(s *corev1.Service) []string {
	var findings []string
	if s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		findings = append(findings, fmt.Sprintf("service %s: externalTrafficPolicy must be Local, or exporters' addresses are lost", s.Name))
	}
	if s.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return append(findings, fmt.Sprintf("service %s: sessionAffinity must be ClientIP, or an exporter's templates and its data reach different pods", s.Name))
	}
	// Only new flows refresh an affinity, and an exporter may have none for hours.
	affinity := s.Spec.SessionAffinityConfig
	if affinity == nil || affinity.ClientIP == nil || affinity.ClientIP.TimeoutSeconds == nil || *affinity.ClientIP.TimeoutSeconds != mostAffinity {
		findings = append(findings, fmt.Sprintf("service %s: the affinity's timeoutSeconds must be %d, the most there is", s.Name, mostAffinity))
	}
	return findings
}

// checkImages wants every image pinned to a version.
func checkImages(w *workload) []string {
	var findings []string
	for i := range w.pod.Spec.Containers {
		image := w.pod.Spec.Containers[i].Image
		name := image[strings.LastIndex(image, "/")+1:]
		if _, version, pinned := strings.Cut(name, ":"); !pinned || version == "latest" {
			findings = append(findings, fmt.Sprintf("image: %s of %s %s is not pinned to a version", image, w.kind, w.name))
		}
	}
	return findings
}

// checkSecurity asks the code that the API server asks.
func checkSecurity(w *workload) []string {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []string{"restricted profile: " + err.Error()}
	}
	level := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	var findings []string
	for _, result := range evaluator.EvaluatePod(level, &w.pod.ObjectMeta, &w.pod.Spec) {
		if !result.Allowed {
			findings = append(findings, fmt.Sprintf("restricted profile: %s %s: %s: %s", w.kind, w.name, result.ForbiddenReason, result.ForbiddenDetail))
		}
	}
	return findings
}

func (in *installation) checkNamespaces() []string {
	var findings []string
	for _, n := range in.namespaces {
		if n.Labels[psa.EnforceLevelLabel] != string(psa.LevelRestricted) {
			findings = append(findings, "namespace "+n.Name+": does not enforce the restricted profile")
		}
	}
	return findings
}
