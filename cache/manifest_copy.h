/*
 * What a copy of an object does not take along (writes.md 6).
 */
#pragma once

#include "cache/document.h"
#include "client/source.h"

/*
 * Takes out of an object what the server owns and what ties it to its origin, so that it can be
 * created under another name or elsewhere:
 *
 *   all kinds              server-owned metadata, generateName, ownerReferences, finalizers,
 * status, kubectl's last-applied-configuration: nobody applied the copy, and of a Secret it repeats
 * values Deployment, ReplicaSet annotations of the deployment controller Job selector and the
 * labels for it, unless manualSelector PersistentVolume       the claim's uid and resourceVersion,
 * bound-by-controller PersistentVolumeClaim  volumeName, annotations of binding and provisioning
 *   Pod                    nodeName, what admission sets from the priority class, the service
 *                          account's token volume and its mounts, ephemeral containers, labels by
 *                          which a controller would adopt and then delete it, marks of a static pod
 *   Secret                 of a service account token, what the controller fills in (the token is
 *                          the origin's)
 *   Service                addresses unless None, node ports
 *   ServiceAccount         token secrets made for it
 *
 * root has the name of its origin still. Any thread.
 */
void manifest_strip(const struct resource *resource, struct document_node *root);
