# MinEnt (ADVENT, CVPR 2019) with the weights of its released configuration.
method = dict(type='MinEnt', entropy_weights=dict(decode=1e-3, aux=2e-4))
