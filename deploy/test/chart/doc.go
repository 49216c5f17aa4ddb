// Package chart tests the Helm chart against kustomize: both ways render the same.
package chart
