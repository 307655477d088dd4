package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "copy the recipes into docs/scaling.md")

// TestRecipes: what the document shows is what was run.
func TestRecipes(t *testing.T) {
	files, err := filepath.Glob("recipes/*")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	doc, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "node/main.go") {
		recipe, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, ".go") { // from main on, which is what the text is about
			_, body, _ := bytes.Cut(recipe, []byte("\n\tvar leaving"))
			recipe = append([]byte("\tvar leaving"), body...)
		}
		mark := "<!-- " + f + " -->\n"
		before, rest, ok := strings.Cut(string(doc), mark)
		fence, rest, ok2 := strings.Cut(rest, "\n")
		_, after, ok3 := strings.Cut(rest, "```\n")
		if !ok || !ok2 || !ok3 || !strings.HasPrefix(fence, "```") {
			t.Errorf("the document has no place for %s: %q and a fence", f, mark)
			continue
		}
		doc = []byte(before + mark + fence + "\n" + string(recipe) + "```\n" + after)
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, doc) {
		return
	}
	if !*update {
		t.Fatal("docs/scaling.md does not show the recipes as they are: go test . -update")
	}
	if err := os.WriteFile(document, doc, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestKubernetes: the manifest has only fields that there are, and its times fit into each other.
func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile("recipes/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	var service corev1.Service
	var budget policyv1.PodDisruptionBudget
	parts := bytes.Split(text, []byte("\n---\n"))
	for i, into := range []any{&deployment, &service, &budget} {
		if err := yaml.UnmarshalStrict(parts[i], into); err != nil {
			t.Error(err)
		}
	}
	pod := deployment.Spec.Template.Spec
	c := pod.Containers[0]
	sum := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	for _, name := range []string{"-notice=", "-drain="} {
		i := slices.IndexFunc(c.Args, func(s string) bool { return strings.HasPrefix(s, name) })
		d, err := time.ParseDuration(strings.TrimPrefix(c.Args[i], name))
		if err != nil {
			t.Fatal(err)
		}
		sum += d
	}
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < sum+10*time.Second {
		t.Errorf("the pod is killed after %v and needs %v and some more", grace, sum)
	}
	if pause := time.Duration(deployment.Spec.MinReadySeconds) * time.Second; pause < sum {
		t.Errorf("the next pod drains after %v, while one does for %v", pause, sum)
	}
	probe := c.ReadinessProbe
	if seen := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; seen >= 5*time.Second {
		t.Errorf("readiness is seen to fail after %v, later than connections begin to close", seen)
	}
	for name, labels := range map[string]map[string]string{"service": service.Spec.Selector, "budget": budget.Spec.Selector.MatchLabels, "deployment": deployment.Spec.Selector.MatchLabels} {
		if labels["app"] != deployment.Spec.Template.Labels["app"] {
			t.Errorf("%s selects other pods: %v", name, labels)
		}
	}
}

// TestNATSValues reads as YAML; the chart itself is not here.
func TestNATSValues(t *testing.T) {
	text, err := os.ReadFile("recipes/nats-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Config struct {
			Cluster struct{ Replicas int }
		}
	}
	if err := yaml.Unmarshal(text, &values); err != nil || values.Config.Cluster.Replicas != 3 {
		t.Error(values, err)
	}
}
