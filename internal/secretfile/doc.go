// Package secretfile reads the files that secrets and certificate authorities
// come in. No error repeats a secret, even one that was set in place of a file
// name.
//
//	secretfile.go   the content of a file
//	authorities.go  certificate authorities
//	watch.go        reports whether files have changed
package secretfile
