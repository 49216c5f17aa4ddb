package manifests

import (
	"bytes"
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// render builds a kustomization and returns its objects as YAML documents.
func render(dir string) ([][]byte, error) {
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("manifests: building %s: %w", dir, err)
	}
	text, err := objects.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("manifests: writing %s: %w", dir, err)
	}
	return bytes.Split(text, []byte("\n---\n")), nil
}

// decoder decodes the kinds that the manifests use. A field that a kind does not
// have is an error.
func decoder() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("manifests: kinds of the API: %w", err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(), nil
}

// strimzi is what the kinds of Strimzi have that the manifests use; it has no Go
// types of its own.
type strimzi struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Partitions     int               `json:"partitions"`
		Replicas       int               `json:"replicas"`
		Config         map[string]string `json:"config"`
		Authentication *struct {
			Type string `json:"type"`
		} `json:"authentication"`
		Authorization *struct {
			Type string `json:"type"`
			ACLs []struct {
				Resource   map[string]string `json:"resource"`
				Operations []string          `json:"operations"`
				Host       string            `json:"host"`
			} `json:"acls"`
		} `json:"authorization"`
	} `json:"spec"`
}

// decode decodes one document.
func decode(dec runtime.Decoder, document []byte) (any, error) {
	if bytes.Contains(document, []byte("apiVersion: kafka.strimzi.io/")) {
		object := new(strimzi)
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			return nil, fmt.Errorf("manifests: decoding: %w", err)
		}
		return object, nil
	}
	object, _, err := dec.Decode(document, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("manifests: decoding: %w", err)
	}
	return object, nil
}
