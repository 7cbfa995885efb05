"""The certificates of one run, made with the openssl command."""

import subprocess


class Authority:
    """A certificate authority of its own in a folder, good for a few days."""

    def __init__(self, folder, name="kubefs-test-ca"):
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        self._request("ca", [("CN", name)], [
            "basicConstraints=critical,CA:TRUE",
            "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
        ])

    def _request(self, file, subject, extensions, options=()):
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-sha256", "-days", "7", "-utf8", "-multivalue-rdn", "-subj", subject_text(subject),
                "-keyout", str(self.folder / f"{file}.key"), "-out", str(self.folder / f"{file}.crt"), *options]
        for extension in extensions:
            argv += ["-addext", extension]
        openssl(argv)
        (self.folder / f"{file}.key").chmod(0o600)

    def issue(self, file, common_name, organizations=(), names=(), usage="clientAuth"):
        """Issue a certificate; returns the paths of it and of its key. Without a name it has organizations alone."""
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature,keyEncipherment",
            f"extendedKeyUsage={usage}",
        ]
        if names:
            extensions.append("subjectAltName=" + ",".join(names))
        subject = [("O", organization) for organization in organizations]
        subject += [("CN", common_name)] if common_name else []
        self._request(file, subject, extensions, ["-CA", str(self.certificate), "-CAkey", str(self.key)])
        return self.folder / f"{file}.crt", self.folder / f"{file}.key"


def subject_text(parts):
    escaped = str.maketrans({character: "\\" + character for character in "\\/+"})
    return "".join(f"/{name}={value.translate(escaped)}" for name, value in parts)


def private_key(file):
    """Make a key for signing service account tokens."""
    # The form SEC 1: kube-apiserver does not read PKCS 8 here.
    openssl(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(file)])
    file.chmod(0o600)
    return file


def openssl(argv):
    try:
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{' '.join(argv[:2])} failed:\n{error.stderr}") from None
